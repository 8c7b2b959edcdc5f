import java.util.List;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.utils.AppInfoParser;

/** Apache Kafka's own Java client. The contract is in compat/README.md. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        String name = System.getenv().getOrDefault("COMPAT_NAME", "java");
        Checks checks = new Checks(arguments[0], name);
        switch (arguments[1]) {
            case "flow" -> new Members(checks).flow(arguments[2]);
            case "member" -> new Members(checks).member(arguments[2], arguments[3], Integer.parseInt(arguments[4]));
            case "committed" -> new Members(checks).committed(arguments[2], arguments[3], Integer.parseInt(arguments[4]));
            case "topic" -> checks.createAll(List.of(new NewTopic(arguments[2], Integer.parseInt(arguments[3]), Records.REPLICATION)));
            default -> System.exit(runAll(arguments, checks, new Errors(checks, name), name));
        }
        System.exit(0);
    }

    private static int runAll(String[] arguments, Checks checks, Errors errors, String name) {
        int failures = 0;
        for (int at = 1; at < arguments.length; at++) {
            String check = arguments[at];
            try {
                System.out.println(check + "\tok\t" + run(check, checks, errors, name));
            } catch (Exception e) {
                failures++;
                System.out.println(check + "\tfail\t" + String.valueOf(e).replaceAll("\\s+", " "));
            }
            System.out.flush();
        }
        return failures == 0 ? 0 : 1;
    }

    private static String run(String check, Checks checks, Errors errors, String name) throws Exception {
        if (check.equals("version")) return AppInfoParser.getVersion();
        if (check.equals("create")) return checks.create();
        if (check.equals("offset")) return checks.offset();
        if (check.equals("time")) return checks.time();
        if (check.startsWith("produce.")) return checks.produce(check.substring(8));
        if (check.startsWith("error.")) return errors.run(check.substring(6));
        if (check.startsWith("read.")) {
            String[] parts = check.substring(5).split("@");
            return checks.read(parts[0], parts.length > 1 ? parts[1] : name);
        }
        throw new Failure("no such check");
    }
}
