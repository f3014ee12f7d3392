import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Our table of settings against Kafka's ConfigDefs: names, types, defaults, what the value of each name may be (by trying
 * values, with the words of each refusal), when it may be changed, and which broker setting stands behind a topic's. A row that
 * differs must say so (`differs`), and one that says so must differ.
 */
final class Settings {
    /** One row of ours, as tests/wire/settings_rows.c prints it. */
    private record Row(String scope, String name, String type, String fallback, String mode, String broker, String differs) {
    }

    private record Probe(String scope, String name, String value, String expected) {
    }

    private static final String NONE = "\\N";
    private final String program;
    private final Map<String, Map<String, Row>> rows = new LinkedHashMap<>();
    private final Map<String, List<String>> differences = new TreeMap<>();
    private int compared;

    Settings(String program) {
        this.program = program;
    }

    private List<String> ours(List<String> input, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(program));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        Thread writer = new Thread(() -> {
            try (PrintWriter out = new PrintWriter(new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8))) {
                input.forEach(line -> out.print(line + "\n"));
            }
        });
        writer.start();
        List<String> lines = new ArrayList<>();
        try (BufferedReader in = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
            }
        }
        writer.join();
        if (process.waitFor() != 0) {
            throw new IOException(program + " failed");
        }
        return lines;
    }

    private void readRows() throws Exception {
        for (String line : ours(List.of())) {
            String[] f = line.split("\t", -1);
            Row row = new Row(f[0], f[1], f[2], f[3], f[4], f[5], f[6]);
            rows.computeIfAbsent(row.scope, s -> new LinkedHashMap<>()).put(row.name, row);
        }
    }

    private void differ(String scope, String name, String what) {
        differences.computeIfAbsent(scope + " " + name, k -> new ArrayList<>()).add(what);
    }

    private void expect(Row row, String what, Object ours, Object kafkas) {
        if (!ours.equals(kafkas)) {
            differ(row.scope, row.name, what + " is " + ours + ", Kafka's is " + kafkas);
        }
    }

    private static String typeOf(ConfigDef.Type type) {
        return switch (type) {
            case BOOLEAN -> "bool";
            case CLASS, PASSWORD -> "string";
            default -> type.name().toLowerCase();
        };
    }

    private static String defaultOf(ConfigDef.ConfigKey key) {
        if (!key.hasDefault() || key.defaultValue == null) {
            return NONE;
        }
        return ConfigDef.convertToString(key.defaultValue, key.type);
    }

    /** What Kafka says to one value. */
    private static String verdict(ConfigDef.ConfigKey key, String value) {
        try {
            Object parsed = ConfigDef.parseType(key.name, value, key.type);
            if (key.validator != null) {
                key.validator.ensureValid(key.name, parsed);
            }
            return "ok";
        } catch (ConfigException e) {
            return e.getMessage();
        }
    }

    private static Set<String> values(ConfigDef.ConfigKey key) {
        Set<String> values = new LinkedHashSet<>();
        String valid = key.validator == null ? "" : key.validator.toString();
        switch (key.type) {
            case INT, LONG, SHORT, DOUBLE -> {
                Matcher numbers = Pattern.compile("-?[0-9]+").matcher(valid);
                while (numbers.find()) {
                    java.math.BigInteger n = new java.math.BigInteger(numbers.group());
                    for (int i = -1; i <= 1; i++) {
                        values.add(n.add(java.math.BigInteger.valueOf(i)).toString());
                    }
                }
                values.addAll(List.of("-3", "-2", "-1", "0", "1", "2", "9", "10", "100", "1048576", "2147483647", "2147483648",
                    "9223372036854775807", "9223372036854775808", "-2147483649", "abc", "", "1.5", " 7 ", "+7", "0x10", "1e3", "7L"));
            }
            case BOOLEAN -> values.addAll(List.of("true", "FALSE", "yes", "", "1", " true "));
            default -> {
                Matcher words = Pattern.compile("[A-Za-z_.*:-]+").matcher(valid);
                List<String> all = new ArrayList<>();
                while (words.find()) {
                    all.add(words.group());
                }
                values.addAll(all);
                all.forEach(word -> values.add(word.toUpperCase()));
                if (all.size() > 1) {
                    values.add(all.get(0) + "," + all.get(1));
                    values.add(all.get(0) + "," + all.get(0));
                    values.add(all.get(0) + ", nonsense");
                }
                values.addAll(List.of("", "nonsense", "a,b", "a,,b", "a,a", "*", "1:2", "1:2,3:4", "1:x", "1:2:3", ","));
            }
        }
        return values;
    }

    private void compare(String scope, ConfigDef.ConfigKey key, String mode, String broker, List<Probe> probes) {
        Row row = rows.getOrDefault(scope, Map.of()).get(key.name);
        compared++;
        if (row == null) {
            probes.add(new Probe(scope, key.name, "", null));
            return;
        }
        expect(row, "type", row.type.equals("enum") ? "string" : row.type, typeOf(key.type));
        expect(row, "default", row.fallback, defaultOf(key));
        expect(row, "update mode", row.mode, mode);
        expect(row, "broker setting", row.broker, broker);
        for (String value : values(key)) {
            probes.add(new Probe(scope, key.name, value, verdict(key, value)));
        }
    }

    private void ask(List<Probe> probes) throws Exception {
        List<String> lines = ours(probes.stream().map(p -> p.scope + "\t" + p.name + "\t" + p.value).toList(), "check");
        if (lines.size() != probes.size()) {
            throw new IOException("as many answers as questions: " + lines.size() + " of " + probes.size());
        }
        for (int i = 0; i < lines.size(); i++) {
            Probe probe = probes.get(i);
            String line = lines.get(i);
            if (probe.expected == null) {
                if (!line.startsWith("refused: ")) {
                    differ(probe.scope, probe.name, "is not in our table, nor refused with a reason");
                }
            } else if (!line.equals(probe.expected)) {
                differ(probe.scope, probe.name, "value '" + probe.value + "': " + line + ", Kafka: " + probe.expected);
            }
        }
    }

    int run() throws Exception {
        readRows();
        List<Probe> probes = new ArrayList<>();
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        Map<String, ConfigDef.ConfigKey> broker = AbstractKafkaConfig.CONFIG_DEF.configKeys();
        Map<String, ConfigDef.ConfigKey> topic = LogConfig.configKeys();
        Map<String, ConfigDef.ConfigKey> group = GroupConfig.CONFIG_DEF.configKeys();
        Map<String, Set<String>> known = new LinkedHashMap<>();
        for (ConfigDef.ConfigKey key : broker.values()) {
            if (!key.internalConfig) {
                compare("broker", key, modes.getOrDefault(key.name, "read-only"), NONE, probes);
                known.computeIfAbsent("broker", s -> new LinkedHashSet<>()).add(key.name);
            }
        }
        for (ConfigDef.ConfigKey key : topic.values()) {
            if (!key.internalConfig) {
                String synonym = ServerTopicConfigSynonyms.TOPIC_CONFIG_SYNONYMS.getOrDefault(key.name, NONE);
                compare("topic", key, "cluster-wide", synonym, probes);
                known.computeIfAbsent("topic", s -> new LinkedHashSet<>()).add(key.name);
            }
        }
        for (ConfigDef.ConfigKey key : group.values()) {
            Optional<String> synonym = GroupConfig.brokerSynonym(key.name).filter(name -> !broker.get(name).internalConfig);
            compare("group", key, "cluster-wide", synonym.orElse(NONE), probes);
            known.computeIfAbsent("group", s -> new LinkedHashSet<>()).add(key.name);
        }
        for (ConfigDef.ConfigKey key : ClientMetricsConfigs.configDef().configKeys().values()) {
            compare("client-metrics", key, "cluster-wide", NONE, probes);
            known.computeIfAbsent("client-metrics", s -> new LinkedHashSet<>()).add(key.name);
        }
        ask(probes);
        rows.forEach((scope, all) -> all.keySet().forEach(name -> {
            if (!known.getOrDefault(scope, Set.of()).contains(name)) {
                differ(scope, name, "is not Kafka's");
            }
        }));
        return report(probes.size());
    }

    private int report(int probes) {
        int failures = 0;
        int explained = 0;
        for (Map.Entry<String, List<String>> entry : differences.entrySet()) {
            String[] at = entry.getKey().split(" ");
            Row row = rows.getOrDefault(at[0], Map.of()).get(at[1]);
            if (row != null && !row.differs.equals(NONE)) {
                explained++;
                continue;
            }
            failures++;
            System.out.println(entry.getKey());
            entry.getValue().forEach(what -> System.out.println("    " + what));
        }
        for (Map<String, Row> all : rows.values()) {
            for (Row row : all.values()) {
                if (!row.differs.equals(NONE) && !differences.containsKey(row.scope + " " + row.name)) {
                    failures++;
                    System.out.println(row.scope + " " + row.name + " is said to differ from Kafka's, but does not");
                }
            }
        }
        System.out.println(compared + " settings of Kafka, " + probes + " values tried, " + explained
            + " differences explained, " + failures + " not");
        return failures;
    }
}
