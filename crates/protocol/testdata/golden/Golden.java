// Makes golden bytes with Kafka's own classes: every message, every version, several values each.
// Run by `cargo xtask codegen --golden DIR_OF_JARS`; prints rows `group name version variant hex`.
//
// Values come from the specification inside the jars, as JSON, through Kafka's JsonConverter of each message.
// Variants: `filled` (nothing has its default), `null` (whatever may be null is, arrays are empty, tags are left out),
// `long` (lengths that take two bytes and more), `default` (the message as Kafka makes it).

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

public class Golden {
    static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    static final ObjectMapper MAPPER = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);

    final Map<String, JsonNode> shared = new TreeMap<>();
    final short version;
    final String variant;
    final Random random;

    Golden(JsonNode message, short version, String variant) {
        this.version = version;
        this.variant = variant;
        this.random = new Random(message.get("name").asText().hashCode() * 31L + version * 7L + variant.hashCode());
        for (JsonNode struct : message.path("commonStructs")) {
            shared.put(struct.get("name").asText(), struct);
        }
    }

    public static void main(String[] jars) throws Exception {
        Map<String, JsonNode> specifications = new TreeMap<>();
        Map<String, String> classes = new TreeMap<>();
        for (String path : jars) {
            try (JarFile jar = new JarFile(new File(path))) {
                for (var entry : java.util.Collections.list(jar.entries())) {
                    String name = entry.getName();
                    if (name.matches("(common/message|common/metadata|message)/[A-Za-z]+\\.json")) {
                        JsonNode node = MAPPER.readTree(jar.getInputStream(entry));
                        specifications.put(path + "!" + node.get("name").asText(), node);
                    } else if (name.endsWith("JsonConverter.class") && !name.contains("$")) {
                        String type = name.replace('/', '.').substring(0, name.length() - "JsonConverter.class".length());
                        classes.put(path + "!" + type.substring(type.lastIndexOf('.') + 1), type);
                    }
                }
            }
        }
        for (var entry : specifications.entrySet()) {
            JsonNode spec = entry.getValue();
            String kind = spec.get("type").asText();
            boolean api = kind.equals("request") || kind.equals("response") || kind.equals("header");
            String type = classes.get(entry.getKey() + (api ? "Data" : ""));
            int[] valid = versions(spec.get("validVersions").asText());
            if (type == null) {
                if (valid[0] <= valid[1]) throw new IllegalStateException("no class for " + entry.getKey());
                continue;
            }
            for (int version = valid[0]; version <= valid[1]; version++) {
                rows(spec, type, (short) version);
            }
        }
    }

    static void rows(JsonNode spec, String type, short version) throws Exception {
        Class<?> converter = Class.forName(type + "JsonConverter");
        for (String variant : new String[] {"filled", "null", "long", "default"}) {
            Message message;
            if (variant.equals("default")) {
                message = (Message) Class.forName(type).getConstructor().newInstance();
            } else {
                JsonNode value = new Golden(spec, version, variant).struct(spec.get("fields"));
                var read = converter.getMethod("read", JsonNode.class, short.class);
                message = (Message) read.invoke(null, value, version);
            }
            try {
                ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                String hex = HexFormat.of().formatHex(bytes);
                System.out.println(spec.get("type").asText() + " " + spec.get("name").asText() + " " + version + " " + variant + " " + hex);
            } catch (NullPointerException e) {
                // a default that has no bytes: records that may not be null
                if (!variant.equals("default")) throw e;
            }
        }
    }

    static int[] versions(String text) {
        if (text.equals("none")) return new int[] {0, -1};
        if (text.endsWith("+")) return new int[] {Integer.parseInt(text.substring(0, text.length() - 1)), 32767};
        String[] ends = text.split("-");
        return new int[] {Integer.parseInt(ends[0].trim()), Integer.parseInt(ends[ends.length - 1].trim())};
    }

    boolean has(JsonNode field, String name) {
        if (!field.has(name)) return false;
        int[] range = versions(field.get(name).asText());
        return range[0] <= version && version <= range[1];
    }

    ObjectNode struct(JsonNode fields) {
        ObjectNode object = NODES.objectNode();
        for (JsonNode field : fields) {
            boolean tagged = has(field, "taggedVersions");
            if (!(field.has("versions") ? has(field, "versions") : tagged)) continue;
            if (tagged && variant.equals("null")) continue;
            String name = field.get("name").asText();
            object.set(Character.toLowerCase(name.charAt(0)) + name.substring(1), value(field));
        }
        return object;
    }

    JsonNode value(JsonNode field) {
        if (variant.equals("null") && has(field, "nullableVersions")) return NODES.nullNode();
        String type = field.get("type").asText();
        if (!type.startsWith("[]")) return single(type, field);
        ArrayNode array = NODES.arrayNode();
        int count = variant.equals("null") ? 0 : variant.equals("long") ? longCount(type) : 1 + random.nextInt(2);
        for (int i = 0; i < count; i++) array.add(single(type.substring(2), field));
        return array;
    }

    /** Long arrays of numbers, so that what is nested does not grow without bound. */
    int longCount(String type) {
        return type.matches("\\[\\](int8|int16|int32|uuid)") ? 130 : 1;
    }

    JsonNode single(String type, JsonNode field) {
        switch (type) {
            case "bool": return NODES.booleanNode(!field.path("default").asText().equals("true"));
            case "int8": return NODES.numberNode((byte) number(8));
            case "int16": return NODES.numberNode((short) number(16));
            case "uint16": return NODES.numberNode((int) number(16) & 0xffff);
            case "int32": return NODES.numberNode((int) number(32));
            case "uint32": return NODES.numberNode(number(32) & 0xffffffffL);
            case "int64": return NODES.numberNode(number(64));
            case "float64": return NODES.numberNode(number(32) + 0.5);
            case "string": return NODES.textNode(text());
            case "bytes": case "records": return NODES.binaryNode(text().getBytes(java.nio.charset.StandardCharsets.UTF_8));
            case "uuid": return NODES.textNode(new org.apache.kafka.common.Uuid(number(64), number(64)).toString());
            default:
                JsonNode common = shared.get(type);
                return struct((common == null ? field : common).get("fields"));
        }
    }

    /** Any number of so many bits that is no default: never -2, -1, 0 or 1; the ends of the range now and then. */
    long number(int bits) {
        if (random.nextInt(8) == 0) return Long.MIN_VALUE >> (64 - bits);
        if (random.nextInt(8) == 0) return (1L << (bits - 2)) + ((1L << (bits - 2)) - 2);
        long value = random.nextLong() >> (64 - bits);
        return value >= -2 && value <= 3 ? 100 : value;
    }

    String text() {
        if (variant.equals("null")) return "";
        StringBuilder text = new StringBuilder(random.nextInt(4) == 0 ? "消息-é" : "");
        int size = variant.equals("long") ? 130 + random.nextInt(10) : 1 + random.nextInt(8);
        for (int i = 0; i < size; i++) text.append((char) (variant.equals("long") ? 'a' + i % 2 : 'a' + random.nextInt(26)));
        return text.toString();
    }
}
