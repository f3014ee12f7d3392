import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

import org.apache.kafka.common.utils.Exit;

/**
 * Transcript FILE BOOTSTRAP PEER SCRATCH [record]: runs Apache Kafka's own command-line tools one after the other in this process
 * and compares what each prints with what the file says.
 *
 * <pre>
 * # a comment
 * $ topics --create --topic t          the tool without kafka- and --bootstrap-server; 'a b' is one argument, $SCRATCH a folder
 * < a line of its standard input
 * > name: a line of the file $SCRATCH/name
 * Created topic t.                     a line that it must print, on stdout or stderr
 * ~ took \d+ ms                        a line as a regular expression
 * ~*                                   any number of lines
 * [freshet] other words                only where the broker is Freshet; [kafka] where it is Apache Kafka
 * = sorted                             lines are compared in any order
 * </pre>
 *
 * Ids of topics and clusters are printed as ID, addresses as HOST, times as TIME, a tab as two spaces (in input as \t). "record" prints the file anew, with what came.
 */
public final class Transcript {
    private static final Map<String, String> TOOLS = Map.ofEntries(
        Map.entry("topics", "TopicCommand"), Map.entry("get-offsets", "GetOffsetShell"),
        Map.entry("broker-api-versions", "BrokerApiVersionsCommand"), Map.entry("delete-records", "DeleteRecordsCommand"),
        Map.entry("log-dirs", "LogDirsCommand"), Map.entry("transactions", "TransactionsCommand"),
        Map.entry("features", "FeatureCommand"), Map.entry("metadata-quorum", "MetadataQuorumCommand"),
        Map.entry("cluster", "ClusterTool"), Map.entry("client-metrics", "ClientMetricsCommand"),
        Map.entry("producer-perf-test", "ProducerPerformance"), Map.entry("consumer-perf-test", "ConsumerPerformance"),
        Map.entry("verifiable-producer", "VerifiableProducer"), Map.entry("verifiable-consumer", "VerifiableConsumer"),
        Map.entry("console-producer", "ConsoleProducer"), Map.entry("console-consumer", "consumer.ConsoleConsumer"),
        Map.entry("groups", "GroupsCommand"), Map.entry("leader-election", "LeaderElectionCommand"),
        Map.entry("reassign-partitions", "reassign.ReassignPartitionsCommand"), Map.entry("acls", "AclCommand"),
        Map.entry("replica-verification", "ReplicaVerificationTool"));

    private static final class Exited extends Error {
        Exited(int status) {
            super("exit " + status, null, false, false);
        }
    }

    private static final class Step {
        String command;
        final List<String> before = new ArrayList<>();
        final List<String> source = new ArrayList<>();
        final List<String> input = new ArrayList<>();
        final List<String> expected = new ArrayList<>();
        boolean sorted;
    }

    private final String bootstrap;
    private final String peer;
    private final Path scratch;
    private final PrintStream out = System.out;
    private final List<Runnable> hooks = new ArrayList<>();
    private Integer status;

    private Transcript(String bootstrap, String peer, Path scratch) {
        this.bootstrap = bootstrap;
        this.peer = peer;
        this.scratch = scratch;
    }

    private List<Step> read(Path file) throws Exception {
        List<Step> steps = new ArrayList<>(List.of(new Step()));
        List<String> before = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            Step step = steps.get(steps.size() - 1);
            if (line.startsWith("$ ")) {
                step = new Step();
                step.command = line.substring(2);
                step.before.addAll(before);
                before.clear();
                steps.add(step);
            } else if (line.startsWith("> ")) {
                String[] parts = line.substring(2).split(": ", 2);
                Files.writeString(scratch.resolve(parts[0]), parts[1] + "\n");
                before.add(line);
                continue;
            } else if (line.isBlank() || line.startsWith("#")) {
                before.add(line);
                continue;
            } else if (line.startsWith("< ")) {
                step.input.add(line.substring(2).replace("\\t", "\t"));
            } else if (line.equals("= sorted")) {
                step.sorted = true;
            } else if (line.startsWith("[" + peer + "] ")) {
                step.expected.add(line.substring(peer.length() + 3));
            } else if (!line.startsWith("[freshet] ") && !line.startsWith("[kafka] ")) {
                step.expected.add(line);
            }
            step.source.add(line);
        }
        return steps;
    }

    private String[] arguments(String text) {
        List<String> found = new ArrayList<>();
        var matcher = Pattern.compile("'([^']*)'|(\\S+)").matcher(text);
        while (matcher.find()) {
            String argument = matcher.group(1) != null ? matcher.group(1) : matcher.group(2);
            found.add(argument.replace("$SCRATCH", scratch.toString()).replace("$BOOTSTRAP", bootstrap));
        }
        return found.toArray(new String[0]);
    }

    private void call(String tool, String[] arguments) throws Throwable {
        String name = tool.equals("configs") ? "kafka.admin.ConfigCommand" : "org.apache.kafka.tools." + TOOLS.get(tool);
        List<String> all = new ArrayList<>(List.of(arguments));
        if (!Arrays.asList(arguments).contains("--bootstrap-server") && !tool.equals("replica-verification")) {
            // The sub-commands of one parser take it behind their name, those of another before.
            boolean front = tool.equals("metadata-quorum") || tool.equals("features") || tool.equals("transactions");
            all.addAll(front ? 0 : all.size(), List.of("--bootstrap-server", bootstrap));
        }
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) all.toArray(new String[0]));
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static String plain(String line) {
        return line.replace("\t", "  ").replaceAll("(?<=TopicId: |Cluster ID: |ClusterId:\\s{1,12})[A-Za-z0-9_-]{22}", "ID")
            .replaceAll("127\\.0\\.0\\.1:\\d+", "HOST")
            .replaceAll("20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d[:,.]\\d\\d\\d", "TIME").stripTrailing();
    }

    private List<String> run(Step step) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream stdout = System.out;
        PrintStream stderr = System.err;
        InputStream stdin = System.in;
        status = null;
        hooks.clear();
        PrintStream both = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        try {
            System.setOut(both);
            System.setErr(both);
            String input = step.input.isEmpty() ? "" : String.join("\n", step.input) + "\n";
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            String[] words = arguments(step.command);
            call(words[0], Arrays.copyOfRange(words, 1, words.length));
        } catch (Exited e) {
            // status says it
        } catch (Throwable e) {
            bytes.writeBytes(("uncaught: " + e + "\n").getBytes(StandardCharsets.UTF_8));
        } finally {
            hooks.forEach(Runnable::run);
            System.setOut(stdout);
            System.setErr(stderr);
            System.setIn(stdin);
        }
        List<String> lines = new ArrayList<>();
        bytes.toString(StandardCharsets.UTF_8).lines().map(Transcript::plain)
            .filter(line -> !line.isBlank() && !line.matches("  (at |\\.\\.\\. ).*|exit \\d+|Transcript\\$Exited: .*")).forEach(lines::add);
        if (status != null && status != 0) {
            lines.add("exit " + status);
        }
        return lines;
    }

    private static boolean matches(String expected, String actual) {
        return expected.startsWith("~ ") ? Pattern.matches(expected.substring(2), actual) : expected.equals(actual);
    }

    private static boolean matches(List<String> expected, List<String> actual) {
        if (expected.isEmpty()) {
            return actual.isEmpty();
        }
        if (expected.get(0).equals("~*")) {
            for (int i = 0; i <= actual.size(); i++) {
                if (matches(expected.subList(1, expected.size()), actual.subList(i, actual.size()))) {
                    return true;
                }
            }
            return false;
        }
        return !actual.isEmpty() && matches(expected.get(0), actual.get(0))
            && matches(expected.subList(1, expected.size()), actual.subList(1, actual.size()));
    }

    private boolean check(Step step, boolean record) throws Exception {
        List<String> actual = run(step);
        List<String> expected = new ArrayList<>(step.expected);
        if (step.sorted) {
            actual.sort(null);
            expected.sort(null);
        }
        boolean same = matches(expected, actual);
        if (record) {
            List<String> kept = same ? step.source : step.source.stream()
                .filter(line -> line.matches("[$<=] .*")).toList();
            step.before.forEach(out::println);
            kept.forEach(out::println);
            if (!same) {
                actual.forEach(out::println);
            }
            return true;
        }
        if (!same) {
            out.println("$ " + step.command);
            expected.stream().filter(line -> !actual.contains(line)).forEach(line -> out.println("  expected  " + line));
            actual.forEach(line -> out.println((expected.contains(line) ? "  came      " : "  came (!)  ") + line));
        }
        return same;
    }

    public static void main(String[] arguments) throws Exception {
        Transcript transcript = new Transcript(arguments[1], arguments[2], Path.of(arguments[3]));
        boolean record = arguments.length > 4;
        Exit.Procedure exit = (code, message) -> {
            transcript.status = transcript.status == null ? code : transcript.status;
            throw new Exited(code);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, runnable) -> transcript.hooks.add(runnable));
        int failures = 0;
        int steps = 0;
        for (Step step : transcript.read(Path.of(arguments[0]))) {
            if (step.command == null) {
                continue;
            }
            steps++;
            failures += transcript.check(step, record) ? 0 : 1;
        }
        if (!record) {
            System.out.println(steps + " commands, " + failures + " with other output");
        }
        System.out.flush();
        Runtime.getRuntime().halt(failures == 0 ? 0 : 1);
    }
}
