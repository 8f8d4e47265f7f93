import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.DataInputStream;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.requests.RequestHeader;

/**
 * Plays a scenario of requests, each built by the official kafka-clients classes at every version it has, against a
 * broker and prints one JSON line per exchange: request and response bytes. Run it against Apache Kafka to make the
 * goldens of testdata/wire: java -cp 'target/dependency/*' GoldenCapture.java HOST PORT SCENARIO
 */
public class GoldenCapture {
    static final ObjectMapper JSON = new ObjectMapper();
    static final Map<String, String> vars = new LinkedHashMap<>();

    public static void main(String[] args) throws Exception {
        JsonNode scenario = JSON.readTree(new java.io.File(args[2]));
        PrintStream out = new PrintStream(new java.io.FileOutputStream(args[3]), false, "UTF-8");
        for (JsonNode block : scenario) {
            try (Socket socket = new Socket(args[0], Integer.parseInt(args[1]))) {
                socket.setTcpNoDelay(true);
                for (short v = (short) block.path("from").asInt(0); v <= block.path("upto").asInt(18); v++) {
                    vars.put("v", Short.toString(v));
                    for (JsonNode step : block.get("steps")) {
                        try {
                            play(socket, step, v, out);
                        } catch (Throwable e) {
                            out.flush();
                            System.err.println("at v" + v + " of " + step + "\n" + e);
                            for (Throwable c = e.getCause(); c != null; c = c.getCause()) System.err.println("because " + c);
                            for (StackTraceElement x : e.getStackTrace()) System.err.println("  " + x);
                            System.exit(1);
                        }
                    }
                    if (block.path("once").asBoolean()) break;
                }
            }
        }
        out.close();
    }

    static void play(Socket socket, JsonNode step, short v, PrintStream out) throws Exception {
        ApiKeys api = null;
        for (ApiKeys k : ApiKeys.clientApis()) if (k.name.equals(step.get("api").asText())) api = k;
        if (api == null) throw new IllegalArgumentException("unknown api " + step);
        short oldest = api.oldestVersion(), latest = (short) step.path("max").asInt(api.latestVersion(false));
        if (step.has("min")) oldest = (short) step.get("min").asInt();
        boolean clamp = step.path("clamp").asBoolean();
        short version = v;
        if (clamp) version = (short) Math.max(oldest, Math.min(v, latest));
        if (version < oldest || version > latest) return;

        JsonNode body = substitute(step.get("body"));
        RequestHeader header = new RequestHeader(api, version, "golden", 7);
        ByteBuffer bytes = null;
        while (bytes == null) {
            try {
                bytes = serialize(header, convert("Request", api, body, version), version);
            } catch (org.apache.kafka.common.errors.UnsupportedVersionException e) {
                // The scenario names every field of the newest version; one that this version lacks is left out.
                Matcher m = LACKS.matcher(e.getMessage());
                if (!m.find()) throw e;
                body = without(body, m.group(1));
            }
        }
        byte[] frame = new byte[bytes.remaining()];
        bytes.get(frame);
        byte[] answer;
        // What a broker shows of a change trails the controller's answer to it: such a step is repeated until its text is there.
        String until = step.path("until").asText();
        do {
        socket.getOutputStream().write(ByteBuffer.allocate(4).putInt(frame.length).array());
        socket.getOutputStream().write(frame);
        socket.getOutputStream().flush();
        DataInputStream in = new DataInputStream(socket.getInputStream());
        answer = new byte[in.readInt()];
        in.readFully(answer);
        } while (step.path("retry").asBoolean() && notYet(api, answer, version) || !shown(api, answer, version).contains(until));

        ByteBuffer rest = ByteBuffer.wrap(answer);
        rest.getInt();
        if (api.responseHeaderVersion(version) >= 1) rest.get();
        ApiMessage response = api.messageType.newResponse();
        response.read(new ByteBufferAccessor(rest), version);
        JsonNode shown = toJson("Response", api, response, version);
        ObjectNode line = JSON.createObjectNode();
        line.put("step", step.path("name").asText(api.name));
        line.put("v", v);
        line.put("api", api.name);
        line.put("key", api.id);
        line.put("version", version);
        line.put("request", Base64.getEncoder().encodeToString(frame));
        line.put("response", Base64.getEncoder().encodeToString(answer));
        ObjectNode captured = line.putObject("captured");
        JsonNode capture = step.path("capture");
        for (var it = capture.fieldNames(); it.hasNext(); ) {
            String name = it.next();
            String path = capture.get(name).asText();
            JsonNode at = shown;
            for (String part : path.split("\\.")) {
                at = at.isArray() ? at.path(Integer.parseInt(part)) : at.path(part);
            }
            if (at.isMissingNode()) continue;
            vars.put(name, at.asText());
            ObjectNode c = captured.putObject(name);
            c.put("path", path);
            boolean uuid = path.endsWith("opicId"), random = path.endsWith("sessionId");
            c.put("kind", uuid ? "uuid" : random ? "int32" : at.isTextual() ? "string" : "number");
            c.put("value", at.asText());
        }
        out.println(JSON.writeValueAsString(line));
    }

    /** A coordinator or leader that is still being made is asked again. */
    static boolean notYet(ApiKeys api, byte[] answer, short version) throws Exception {
        return shown(api, answer, version).matches(".*\"errorCode\":(3|5|6|14|15|16)[,}].*");
    }

    static String shown(ApiKeys api, byte[] answer, short version) throws Exception {
        ByteBuffer rest = ByteBuffer.wrap(answer);
        rest.getInt();
        if (api.responseHeaderVersion(version) >= 1) rest.get();
        ApiMessage response = api.messageType.newResponse();
        response.read(new ByteBufferAccessor(rest), version);
        return toJson("Response", api, response, version).toString();
    }

    /** Replaces ${name} in every string; a string "${records:...}" becomes a record batch. */
    static JsonNode substitute(JsonNode n) throws Exception {
        if (n.isTextual()) return substituteText(n.asText());
        if (n.isArray()) {
            ArrayNode a = JSON.createArrayNode();
            for (JsonNode x : n) a.add(substitute(x));
            return a;
        }
        if (n.isObject()) {
            ObjectNode o = JSON.createObjectNode();
            for (var it = n.fieldNames(); it.hasNext(); ) {
                String f = it.next();
                o.set(f, substitute(n.get(f)));
            }
            return o;
        }
        return n;
    }

    static final Pattern LACKS = Pattern.compile("non-default (?:value for )?(\\w+) at version");

    static JsonNode without(JsonNode n, String field) {
        if (n.isArray()) {
            ArrayNode a = JSON.createArrayNode();
            for (JsonNode x : n) a.add(without(x, field));
            return a;
        }
        if (!n.isObject()) return n;
        ObjectNode o = JSON.createObjectNode();
        for (var it = n.fieldNames(); it.hasNext(); ) {
            String f = it.next();
            if (!f.equals(field)) o.set(f, without(n.get(f), field));
        }
        return o;
    }

    static final Pattern VAR = Pattern.compile("\\$\\{([^}]+)}");

    static JsonNode substituteText(String s) throws Exception {
        if (s.startsWith("${int:")) return JSON.getNodeFactory().numberNode(Long.parseLong(vars.get(s.substring(6, s.length() - 1))));
        Matcher m = VAR.matcher(s);
        StringBuilder b = new StringBuilder();
        while (m.find()) {
            String value = vars.get(m.group(1));
            if (value == null) throw new IllegalStateException("no value for " + m.group());
            m.appendReplacement(b, Matcher.quoteReplacement(value));
        }
        m.appendTail(b);
        s = b.toString();
        if (s.startsWith("records:")) return records(s.substring("records:".length()));
        return new TextNode(s);
    }

    /** codec,count,producerId,epoch,sequence */
    static JsonNode records(String spec) throws Exception {
        String[] f = spec.split(",");
        int n = Integer.parseInt(f[1]);
        SimpleRecord[] r = new SimpleRecord[n];
        for (int i = 0; i < n; i++)
            r[i] = new SimpleRecord(1700000000000L + i, ("key-" + i).getBytes(StandardCharsets.UTF_8), ("value-" + i).getBytes(StandardCharsets.UTF_8));
        Compression codec = Compression.of(CompressionType.forName(f[0])).build();
        MemoryRecords m = f.length > 2
            ? MemoryRecords.withIdempotentRecords(codec, Long.parseLong(f[2]), Short.parseShort(f[3]), Integer.parseInt(f[4]), r)
            : MemoryRecords.withRecords(codec, r);
        byte[] raw = new byte[m.sizeInBytes()];
        m.buffer().duplicate().get(raw);
        return JSON.getNodeFactory().binaryNode(raw);
    }

    static ApiMessage convert(String kind, ApiKeys api, JsonNode body, short version) throws Exception {
        Class<?> c = Class.forName("org.apache.kafka.common.message." + api.messageType.name + kind + "DataJsonConverter");
        Method read = c.getMethod("read", JsonNode.class, short.class);
        try {
            return (ApiMessage) read.invoke(null, body, version);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw e.getCause() instanceof Exception x ? x : e;
        }
    }

    static ByteBuffer serialize(RequestHeader header, ApiMessage request, short version) throws Exception {
        RequestHeaderData data = header.data();
        var cache = new org.apache.kafka.common.protocol.ObjectSerializationCache();
        int size = data.size(cache, header.headerVersion()) + request.size(cache, version);
        ByteBuffer b = ByteBuffer.allocate(size);
        ByteBufferAccessor w = new ByteBufferAccessor(b);
        data.write(w, cache, header.headerVersion());
        request.write(w, cache, version);
        b.flip();
        return b;
    }

    static JsonNode toJson(String kind, ApiKeys api, ApiMessage m, short version) throws Exception {
        Class<?> c = Class.forName("org.apache.kafka.common.message." + api.messageType.name + kind + "DataJsonConverter");
        for (Method w : c.getMethods())
            if (w.getName().equals("write") && w.getParameterCount() == 2) return (JsonNode) w.invoke(null, m, version);
        throw new IllegalStateException("no write in " + c);
    }
}
