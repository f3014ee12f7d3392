import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Our codec, as a process that answers questions. tests/wire/peer.c says which. */
final class Peer implements AutoCloseable {
    static final class Refused extends Exception {
        Refused(String text) {
            super(text);
        }
    }

    private final Process process;
    private final DataOutputStream out;
    private final DataInputStream in;

    Peer(String program) throws IOException {
        process = new ProcessBuilder(program, "serve").redirectError(ProcessBuilder.Redirect.INHERIT).start();
        out = new DataOutputStream(new BufferedOutputStream(process.getOutputStream(), 1 << 16));
        in = new DataInputStream(new BufferedInputStream(process.getInputStream(), 1 << 16));
    }

    private byte[] ask(byte[] question) throws IOException, Refused {
        out.writeInt(question.length);
        out.write(question);
        out.flush();
        byte[] answer = new byte[in.readInt() - 1];
        boolean refused = in.readByte() != 0;
        in.readFully(answer);
        if (refused) {
            throw new Refused(new String(answer, StandardCharsets.UTF_8));
        }
        return answer;
    }

    private static byte[] question(char op, String name, short version, byte[] rest) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(bytes);
        data.writeByte(op);
        data.writeUTF(name);
        data.writeShort(version);
        data.write(rest);
        return bytes.toByteArray();
    }

    byte[] readAndWrite(String name, short version, byte[] body) throws IOException, Refused {
        return ask(question('M', name, version, body));
    }

    byte[] random(String name, short version, long seed) throws IOException, Refused {
        byte[] bytes = java.nio.ByteBuffer.allocate(8).putLong(seed).array();
        return ask(question('R', name, version, bytes));
    }

    byte[] rebuild(int codec, int level, byte[] batch) throws IOException, Refused {
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate(6 + batch.length);
        return ask(bytes.put((byte) 'B').put((byte) codec).putInt(level).put(batch).array());
    }

    /** The greatest timestamp and the size of the records when decompressed. */
    java.nio.ByteBuffer validate(byte[] batch) throws IOException, Refused {
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate(1 + batch.length);
        return java.nio.ByteBuffer.wrap(ask(bytes.put((byte) 'V').put(batch).array()));
    }

    byte[] marker(long offset, long time, int leaderEpoch, long producer, short epoch, int coordinator, boolean commit)
            throws IOException, Refused {
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate(36);
        bytes.put((byte) 'E').putLong(offset).putLong(time).putInt(leaderEpoch).putLong(producer).putShort(epoch);
        return ask(bytes.putInt(coordinator).put((byte) (commit ? 1 : 0)).array());
    }

    @Override
    public void close() throws IOException {
        out.close();
        in.close();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
