import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

/** Kafka's own tools, many calls in one process: a line of class and arguments, parted by tabs, in; what it said and its exit code out. */
@SuppressWarnings("removal")
public class Referee {
    static volatile CompletableFuture<Integer> ended = new CompletableFuture<>();

    static class Caught extends OutputStream {
        private ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        public synchronized void write(int b) { bytes.write(b); }
        public synchronized void write(byte[] b, int offset, int length) { bytes.write(b, offset, length); }
        synchronized String take() {
            String text = bytes.toString(StandardCharsets.UTF_8);
            bytes = new ByteArrayOutputStream();
            return text;
        }
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        Caught out = new Caught();
        Caught err = new Caught();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Exit.setExitProcedure(Referee::leave);
        Exit.setHaltProcedure(Referee::leave);
        // tools on argparse4j leave without asking Kafka's Exit
        System.setSecurityManager(new SecurityManager() {
            @Override public void checkExit(int code) { leave(code, null); }
            @Override public void checkPermission(java.security.Permission permission) { }
        });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t", -1);
            out.take();
            err.take();
            int code = run(words[0], Arrays.copyOfRange(words, 1, words.length));
            answers.println("exit " + code);
            block(answers, "1", out.take());
            block(answers, "2", err.take());
            answers.println("end");
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    static void block(PrintStream answers, String stream, String text) {
        if (text.isEmpty()) return;
        for (String line : text.split("\n", -1)) answers.println(stream + "|" + line);
    }

    static void leave(int code, String message) {
        ended.complete(code);
        // the process would be gone: nothing behind the exit may run
        while (true) {
            try { Thread.sleep(3600_000); } catch (InterruptedException e) { }
        }
    }

    static int run(String name, String[] arguments) throws Exception {
        CompletableFuture<Integer> mine = new CompletableFuture<>();
        ended = mine;
        Thread thread = new Thread(() -> {
            try {
                Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
                mine.complete(0);
            } catch (InvocationTargetException thrown) {
                thrown.getCause().printStackTrace();
                mine.complete(1);
            } catch (Throwable thrown) {
                thrown.printStackTrace();
                mine.complete(1);
            }
        });
        thread.setDaemon(true);
        thread.start();
        try {
            return mine.get(120, TimeUnit.SECONDS);
        } catch (java.util.concurrent.TimeoutException late) {
            return -1;
        }
    }
}
