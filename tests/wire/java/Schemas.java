import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

import org.apache.kafka.common.protocol.ApiKeys;

/** Field by field: what our tables say against Kafka's definitions. */
final class Schemas {
    private final Definitions definitions;
    private final Set<String> expected = new LinkedHashSet<>();

    Schemas(Definitions definitions) {
        this.definitions = definitions;
    }

    static String snake(String name) {
        return name.replaceAll("([a-z0-9])([A-Z])", "$1_$2").replaceAll("([A-Z]+)([A-Z][a-z])", "$1_$2").toLowerCase();
    }

    private static String defaultOf(Definitions.Field field) {
        String text = field.defaultValue == null ? "" : field.defaultValue.toString();
        boolean isNull = text.equals("null");
        if (field.isArray() || field.isStruct()) {
            return isNull ? "null" : "empty";
        }
        return switch (field.type) {
            case "string", "bytes" -> isNull ? "null" : "empty";
            case "records", "uuid" -> "-";
            case "bool" -> text.isEmpty() ? "false" : text;
            case "float64" -> text.isEmpty() ? "0.0" : String.valueOf(Double.parseDouble(text));
            default -> text.isEmpty() ? "0" : String.valueOf(Long.decode(text));
        };
    }

    private void addFields(String path, List<Definitions.Field> fields) {
        for (Definitions.Field field : fields) {
            String type = field.isStruct() ? "struct" : field.elementType();
            String line = path + snake(field.name) + " " + (field.isArray() ? "[]" : "") + type;
            line += " " + field.versions + " " + field.nullable + " tag " + field.tag + " default " + defaultOf(field);
            line += (field.ignorable ? " ignorable" : "") + (field.key ? " key" : "") + (field.inflexible ? " inflexible" : "");
            expected.add(line);
            addFields(path + snake(field.name) + ".", field.fields);
        }
    }

    private void addMessage(String name) {
        Definitions.Message message = definitions.messages.get(name);
        if (message == null) {
            expected.add("message " + name + " does not exist in Kafka");
            return;
        }
        int flexible = message.flexible.isEmpty() ? Short.MAX_VALUE : message.flexible.min();
        expected.add("message " + name + " " + message.versions + " flexible " + flexible);
        addFields(name + ".", message.fields);
    }

    /** Every API that a broker's listener accepts must be in our table. */
    private void addApis() {
        for (ApiKeys api : ApiKeys.values()) {
            Definitions.Message request = definitions.messages.get(api.messageType.name + "Request");
            if (request == null) {
                request = definitions.messages.values().stream()
                        .filter(m -> m.kind.equals("request") && Integer.parseInt((String) m.json.get("apiKey")) == api.id)
                        .findFirst().orElse(null);
            }
            if (request == null || !((List<?>) request.json.get("listeners")).contains("broker")) {
                continue;
            }
            String name = request.name.substring(0, request.name.length() - "Request".length());
            StringBuilder line = new StringBuilder("api " + api.id + " " + name);
            for (String listener : List.of("broker", "controller")) {
                line.append(((List<?>) request.json.get("listeners")).contains(listener) ? " " + listener : "");
            }
            short latest = api.latestVersion();
            line.append(" stable ").append(api.latestVersion(false));
            line.append(" request-header ").append(api.requestHeaderVersion(latest));
            line.append(" response-header ").append(api.responseHeaderVersion(latest));
            expected.add(line.toString());
            addMessage(name + "Request");
            addMessage(name + "Response");
        }
    }

    int run(String peer) throws Exception {
        Process process = new ProcessBuilder(peer, "dump").redirectError(ProcessBuilder.Redirect.INHERIT).start();
        Set<String> actual = new LinkedHashSet<>();
        addApis();
        try (BufferedReader in = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                actual.add(line);
                if (line.startsWith("message ")) {
                    addMessage(line.split(" ")[1]); /* also those that no API has */
                }
            }
        }
        Set<String> differences = new TreeSet<>();
        for (String line : expected) {
            if (!actual.contains(line)) {
                differences.add(line + "   <- Kafka");
            }
        }
        for (String line : actual) {
            if (!expected.contains(line)) {
                differences.add(line + "   <- ours");
            }
        }
        differences.forEach(System.out::println);
        System.out.println(actual.size() + " facts compared, " + differences.size() + " differ");
        return differences.isEmpty() && actual.size() > 1000 && process.waitFor() == 0 ? 0 : 1;
    }
}
