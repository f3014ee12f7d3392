/** Compare schemas|messages|batches|settings PEER JARS: one part of the comparison of our codec and settings with Kafka's classes. */
public final class Compare {
    private Compare() {
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("settings")) {
            System.exit(new Settings(args[1]).run() == 0 ? 0 : 1);
        }
        Definitions definitions = new Definitions(args[2]);
        int failures = switch (args[0]) {
            case "schemas" -> new Schemas(definitions).run(args[1]);
            case "messages" -> new Messages(definitions).run(args[1]);
            case "batches" -> new Batches().run(args[1]);
            default -> throw new IllegalArgumentException(args[0]);
        };
        System.exit(failures == 0 ? 0 : 1);
    }
}
