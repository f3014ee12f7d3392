import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Every message at every version, with random values. Kafka writes, we read and write again: the same bytes. We write,
 * Kafka reads and writes again: the same bytes.
 */
final class Messages {
    private static final int ROUNDS = Integer.getInteger("rounds", 12);
    private static final String[] PACKAGES = {"org.apache.kafka.common.message.",
        "org.apache.kafka.coordinator.group.generated.", "org.apache.kafka.coordinator.transaction.generated."};

    private final Definitions definitions;
    private final long seed = Long.getLong("seed", 1);
    private Random random;
    private int compared;
    private int failures;

    Messages(Definitions definitions) {
        this.definitions = definitions;
    }

    private static Class<?> classOf(Definitions.Message message) throws ClassNotFoundException {
        for (String prefix : PACKAGES) {
            for (String suffix : new String[] {"Data", ""}) {
                try {
                    return Class.forName(prefix + message.name + suffix);
                } catch (ClassNotFoundException e) {
                    continue;
                }
            }
        }
        throw new ClassNotFoundException(message.name);
    }

    private String text() {
        int size = random.nextInt(8) == 0 ? random.nextInt(300) : random.nextInt(12);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < size; i++) {
            out.append(random.nextInt(10) == 0 ? (char) (0xa0 + random.nextInt(0x2000)) : (char) (0x20 + random.nextInt(95)));
        }
        return out.toString();
    }

    private long number() {
        return random.nextInt(3) == 0 ? random.nextInt(3) - 1 : random.nextLong();
    }

    private byte[] bytes() {
        byte[] out = new byte[random.nextInt(8) == 0 ? random.nextInt(300) : random.nextInt(12)];
        random.nextBytes(out);
        return out;
    }

    private Object scalar(String type, Class<?> java) {
        return switch (type) {
            case "bool" -> random.nextBoolean();
            case "int8" -> (byte) number();
            case "int16" -> (short) number();
            case "uint16" -> (int) (number() & 0xffff);
            case "int32" -> (int) number();
            case "int64" -> number();
            case "float64" -> random.nextGaussian() * 1e6;
            case "uuid" -> new Uuid(random.nextLong(), random.nextLong());
            case "string" -> text();
            case "bytes" -> java == ByteBuffer.class ? (Object) ByteBuffer.wrap(bytes()) : bytes();
            case "records" -> MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
            default -> throw new IllegalStateException(type);
        };
    }

    /** Of a List field its parameter; of Kafka's linked hash collections that of their superclass. */
    private static Class<?> elementClass(Field field) {
        Type type = field.getGenericType();
        while (!(type instanceof ParameterizedType)) {
            type = ((Class<?>) type).getGenericSuperclass();
        }
        return (Class<?>) ((ParameterizedType) type).getActualTypeArguments()[0];
    }

    @SuppressWarnings("unchecked")
    private Object array(Definitions.Field definition, Field field, int version) throws Exception {
        Collection<Object> list = List.class == field.getType()
                ? new java.util.ArrayList<>() : (Collection<Object>) field.getType().getConstructor().newInstance();
        Class<?> element = elementClass(field);
        for (int i = random.nextInt(5); i > 0; i--) {
            list.add(definition.isStruct() ? struct(definition.fields, element, version)
                    : scalar(definition.elementType(), element));
        }
        return list;
    }

    private Object struct(List<Definitions.Field> fields, Class<?> type, int version) throws Exception {
        Object object = type.getConstructor().newInstance();
        fill(fields, object, version);
        return object;
    }

    private void fill(List<Definitions.Field> fields, Object object, int version) throws Exception {
        for (Definitions.Field definition : fields) {
            if (!definition.versions.contains(version) || definition.tag >= 0 && random.nextBoolean()) {
                continue;
            }
            String name = Character.toLowerCase(definition.name.charAt(0)) + definition.name.substring(1);
            Field field = object.getClass().getDeclaredField(name);
            Object value;
            field.setAccessible(true);
            if (definition.nullable.contains(version) && random.nextInt(4) == 0) {
                value = null;
            } else if (definition.isArray()) {
                value = array(definition, field, version);
            } else if (definition.isStruct()) {
                value = struct(definition.fields, field.getType(), version);
            } else {
                value = scalar(definition.type, field.getType());
            }
            field.set(object, value);
        }
    }

    private static byte[] write(Message message, short version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] out = new byte[buffer.remaining()];
        buffer.get(out);
        return out;
    }

    private void fail(String what, Definitions.Message message, int version, long round, byte[] kafka, byte[] ours) {
        failures++;
        System.out.println(message.name + " version " + version + " seed " + round + ": " + what);
        System.out.println("  Kafka " + java.util.HexFormat.of().formatHex(kafka));
        System.out.println("  ours  " + java.util.HexFormat.of().formatHex(ours));
    }

    private void compare(Peer peer, Definitions.Message message, short version, long round) throws Exception {
        random = new Random(round);
        Class<?> type = classOf(message);
        Message object = (Message) struct(message.fields, type, version);
        byte[] theirs = write(object, version);
        byte[] ours = {};
        try {
            ours = peer.readAndWrite(message.name, version, theirs);
        } catch (Peer.Refused e) {
            fail(e.getMessage(), message, version, round, theirs, ours);
        }
        if (!Arrays.equals(theirs, ours)) {
            fail("we do not write again what Kafka wrote", message, version, round, theirs, ours);
        }
        ours = peer.random(message.name, version, round);
        ByteBufferAccessor accessor = new ByteBufferAccessor(ByteBuffer.wrap(ours));
        Message read = (Message) type.getConstructor().newInstance();
        read.read(accessor, version);
        byte[] again = write(read, version);
        if (accessor.remaining() != 0 || !Arrays.equals(ours, again)) {
            fail("Kafka does not write again what we wrote", message, version, round, again, ours);
        }
        compared += 2;
    }

    int run(String program) throws Exception {
        int messages = 0;
        try (Peer peer = new Peer(program)) {
            for (Definitions.Message message : definitions.messages.values()) {
                if (!isOurs(peer, message)) {
                    continue;
                }
                messages++;
                for (int version = message.versions.min(); version <= message.versions.max(); version++) {
                    for (int round = 0; round < ROUNDS && failures < 10; round++) {
                        compare(peer, message, (short) version, seed * 1000003 + version * 1009L + round);
                    }
                }
            }
        }
        System.out.println(messages + " messages, " + compared + " comparisons, " + failures + " failures, seed " + seed);
        /* 79 APIs and the headers are the least; fewer means that the loop did not run. */
        return failures == 0 && messages >= 160 ? 0 : 1;
    }

    private static boolean isOurs(Peer peer, Definitions.Message message) throws Exception {
        try {
            peer.random(message.name, (short) message.versions.min(), 0);
            return true;
        } catch (Peer.Refused e) {
            if (e.getMessage().startsWith("no message ")) {
                return false; /* the schemas part says whether it should be there */
            }
            throw e;
        }
    }
}
