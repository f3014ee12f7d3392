import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/** Kafka's own message definitions, out of its jars. */
final class Definitions {
    record Versions(int min, int max) {
        static final Versions NONE = new Versions(1, 0);

        static Versions parse(Object text, Versions absent) {
            if (text == null) {
                return absent;
            }
            String s = (String) text;
            if (s.equals("none")) {
                return NONE;
            }
            if (s.endsWith("+")) {
                return new Versions(Integer.parseInt(s.substring(0, s.length() - 1)), Short.MAX_VALUE);
            }
            String[] parts = s.split("-");
            int min = Integer.parseInt(parts[0]);
            return new Versions(min, parts.length > 1 ? Integer.parseInt(parts[1]) : min);
        }

        Versions and(Versions other) {
            return new Versions(Math.max(min, other.min), Math.min(max, other.max));
        }

        boolean isEmpty() {
            return max < min;
        }

        boolean contains(int version) {
            return version >= min && version <= max;
        }

        @Override
        public String toString() {
            return isEmpty() ? "none" : min + "-" + max;
        }
    }

    static final class Field {
        String name;
        String type;
        Versions versions; /* where it is on the wire */
        Versions nullable;
        int tag = -1;
        Object defaultValue;
        boolean ignorable;
        boolean key;
        boolean inflexible;
        List<Field> fields = Collections.emptyList();

        boolean isArray() {
            return type.startsWith("[]");
        }

        String elementType() {
            return isArray() ? type.substring(2) : type;
        }

        boolean isStruct() {
            return Character.isUpperCase(elementType().charAt(0));
        }
    }

    static final class Message {
        String name;
        String kind; /* request, response, header, data, coordinator-key ... */
        Versions versions;
        Versions flexible;
        List<Field> fields;
        Map<String, Object> json;
    }

    final Map<String, Message> messages = new TreeMap<>();

    Definitions(String folder) throws IOException {
        for (File file : new File(folder).listFiles()) {
            if (file.getName().startsWith("kafka-") && file.getName().endsWith(".jar")) {
                load(file);
            }
        }
    }

    @SuppressWarnings("unchecked")
    private void load(File file) throws IOException {
        try (JarFile jar = new JarFile(file)) {
            for (JarEntry entry : Collections.list(jar.entries())) {
                if (entry.getName().startsWith("common/message/") && entry.getName().endsWith(".json")) {
                    String text = new String(jar.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
                    add((Map<String, Object>) Json.parse(text));
                }
            }
        }
    }

    @SuppressWarnings("unchecked")
    private void add(Map<String, Object> json) {
        Message message = new Message();
        message.json = json;
        message.name = (String) json.get("name");
        message.kind = (String) json.get("type");
        message.versions = Versions.parse(json.get("validVersions"), Versions.NONE);
        message.flexible = Versions.parse(json.get("flexibleVersions"), Versions.NONE);
        if (message.versions.isEmpty()) {
            return; /* removed from Kafka */
        }
        Map<String, List<Object>> common = new TreeMap<>();
        for (Object struct : (List<Object>) json.getOrDefault("commonStructs", List.of())) {
            Map<String, Object> map = (Map<String, Object>) struct;
            common.put((String) map.get("name"), (List<Object>) map.get("fields"));
        }
        message.fields = fields((List<Object>) json.get("fields"), message.versions, common);
        messages.put(message.name, message);
    }

    @SuppressWarnings("unchecked")
    private static List<Field> fields(List<Object> list, Versions within, Map<String, List<Object>> common) {
        List<Field> out = new ArrayList<>();
        for (Object item : list) {
            Map<String, Object> json = (Map<String, Object>) item;
            Field field = new Field();
            field.name = (String) json.get("name");
            field.type = (String) json.get("type");
            Versions tagged = Versions.parse(json.get("taggedVersions"), Versions.NONE);
            field.versions = Versions.parse(json.get("versions"), tagged).and(within);
            if (field.versions.isEmpty()) {
                continue;
            }
            field.nullable = Versions.parse(json.get("nullableVersions"), Versions.NONE).and(field.versions);
            field.defaultValue = json.get("default");
            field.ignorable = "true".equals(json.get("ignorable"));
            field.key = "true".equals(json.get("mapKey"));
            field.inflexible = "none".equals(json.get("flexibleVersions"));
            if (json.containsKey("tag")) {
                field.tag = Integer.parseInt((String) json.get("tag"));
                if (!tagged.and(within).equals(field.versions)) {
                    throw new IllegalStateException(field.name + " is tagged in some of its versions only");
                }
            }
            if (field.isStruct()) {
                List<Object> inner = (List<Object>) json.get("fields");
                if (inner == null) {
                    inner = common.get(field.elementType());
                }
                field.fields = fields(inner, field.versions, common);
            }
            out.add(field);
        }
        return out;
    }
}
