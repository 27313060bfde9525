// Opens a session, uploads a picture, follows it until it is done, and prints what came back as one JSON object.
//
//     VESTIBULE_API_KEY=vst_... node client.mjs ADDRESS PROTOS PICTURE [CA]
//
// PROTOS is the folder of that name in this repository; PICTURE is a JPEG. With CA, a PEM file of the CA of the server's certificate, it speaks TLS.

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const CHUNK_BYTES = 64 * 1024;
const DEADLINE_MS = 90_000;

const [address, protos, picture, ca] = process.argv.slice(2);
const files = ["vestibule/v1/session.proto", "vestibule/v1/media.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"];
const definitions = loader.loadSync(files, {
  includeDirs: [protos],
  keepCase: true,
  enums: String,
  longs: Number,
  defaults: true,
});
const { SessionService, MediaService } = grpc.loadPackageDefinition(definitions).vestibule.v1;
const credentials = ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure();
const keyed = { interceptors: [withKey] };
const sessions = new SessionService(address, credentials, keyed);
const media = new MediaService(address, credentials, keyed);
const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });

// Call credentials of gRPC need TLS; this adds the same metadata to every call.
function withKey(options, nextCall) {
  return new grpc.InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      metadata.set("authorization", `Bearer ${process.env.VESTIBULE_API_KEY}`);
      next(metadata, listener);
    },
  });
}

const unary = (client, method, request) =>
  new Promise((resolve, reject) =>
    client[method](request, deadline(), (error, reply) => (error ? reject(error) : resolve(reply))),
  );

function upload(sessionId, content) {
  return new Promise((resolve, reject) => {
    const call = media.Upload(deadline(), (error, reply) => (error ? reject(error) : resolve(reply.upload)));
    call.write({
      description: {
        upload_id: randomUUID(),
        session_id: sessionId,
        kind: "MEDIA_KIND_VISITOR_REGISTER",
        size_bytes: content.length,
        sha256: createHash("sha256").update(content).digest(),
        media_type: "image/jpeg",
      },
    });
    for (let at = 0; at < content.length; at += CHUNK_BYTES) {
      call.write({ data: content.subarray(at, at + CHUNK_BYTES) });
    }
    call.end();
  });
}

/** The stable reason, the hint, and the milliseconds to wait; all empty if gRPC itself or the network failed. */
function details(error) {
  const found = { reason: "", hint: "", waitMs: 0 };
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  for (const { type_url, value } of packed ? definitions["google.rpc.Status"].deserialize(packed).details : []) {
    const detail = definitions[type_url.split("/")[1]]?.deserialize(value);
    if (type_url.endsWith("google.rpc.ErrorInfo")) {
      found.reason = detail.reason;
      found.hint = detail.metadata.hint ?? "";
    }
    if (type_url.endsWith("google.rpc.RetryInfo")) {
      found.waitMs = 1000 * detail.retry_delay.seconds + detail.retry_delay.nanos / 1e6;
    }
  }
  return found;
}

function stream(call, each) {
  return new Promise((resolve, reject) => {
    call.on("data", each);
    call.on("error", reject);
    call.on("end", resolve);
  });
}

const content = readFileSync(picture);
const { session } = await unary(sessions, "StartSession", { request_id: randomUUID() });
const accepted = await upload(session.id, content);

const states = [];
let last;
await stream(media.WatchUpload({ upload_id: accepted.id }, deadline()), (message) => {
  last = message.upload;
  states.push(last.state);
});

let image;
const pieces = [];
await stream(media.DownloadRedacted({ upload_id: accepted.id }, deadline()), (message) =>
  message.image ? (image = message.image) : pieces.push(message.data),
);

// An error: its status, and what google.rpc.Status in the trailers adds.
const refused = await unary(sessions, "GetSession", { session_id: randomUUID() }).catch((error) => error);

console.log(
  JSON.stringify({
    session: (await unary(sessions, "GetSession", { session_id: session.id })).session.state,
    states,
    text: last.text.value,
    counts: last.text.entity_counts,
    imageType: image.media_type,
    imageBytes: Buffer.concat(pieces).length,
    announcedBytes: image.size_bytes,
    refusedCode: refused.code,
    refused: details(refused),
  }),
);
