// The page on which a newcomer talks and sends pictures. What the server says comes by server-sent events of the page.
"use strict";

const page = document.getElementById("try");
const problem = document.getElementById("problem");
const PIECE_MS = 200;
const LARGEST_PIECE = 60000;

function say(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

// Sends something to an address of the page; returns whether it was taken.
async function post(path, body) {
  let answer;
  try {
    answer = await fetch(page.dataset.address + path, { method: "POST", body, headers: { accept: "application/json" } });
  } catch {
    say(page.dataset.away);
    return false;
  }
  if (answer.redirected) {
    location.reload(); // logged out
    return false;
  }
  if (answer.ok) {
    return true;
  }
  const told = await answer.json().catch(() => ({ message: page.dataset.failed, hint: "" }));
  say([told.message, told.hint].filter(Boolean).join(" "));
  return false;
}

// Forms are sent without leaving the page.
for (const form of page.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const body = new FormData(form);
    const files = form.enctype === "multipart/form-data";
    button.disabled = true;
    say("");
    if (!files) {
      form.reset(); // now, because the next text may be typed while this one is on its way
    }
    const taken = await post(form.dataset.path, files ? body : new URLSearchParams(body));
    button.disabled = false;
    if (taken && files) {
      const kind = form.elements.kind?.value; // the next file often shows the same
      form.reset();
      if (kind) {
        form.elements.kind.value = kind;
      }
    } else if (!taken && !files) {
      for (const [name, value] of body) {
        form.elements[name].value ||= value; // to be sent again, unless something else was typed
      }
    }
  });
}

// The microphone: its samples go to the server in pieces, one request after the other.
const talkButton = document.getElementById("talk");
let talking = null;

class Talking {
  constructor(stream, context) {
    this.id = crypto.randomUUID();
    this.stream = stream;
    this.context = context;
    this.waiting = [];
    this.offset = 0;
    this.ended = false;
    this.sending = this.send();
  }

  async send() {
    while (!this.ended || this.waiting.length) {
      await new Promise((resolve) => setTimeout(resolve, this.ended ? 0 : PIECE_MS));
      const piece = this.taken();
      if (!piece.size) {
        continue;
      }
      const where = `?talk=${this.id}&offset=${this.offset}&rate=${this.context.sampleRate}`;
      if (!(await post(`/audio${where}`, piece))) {
        return this.stop();
      }
      this.offset += piece.size;
    }
    await post(`/audio/end?talk=${this.id}`, "");
  }

  taken() {
    const pieces = [];
    let size = 0;
    while (this.waiting.length && size + this.waiting[0].byteLength <= LARGEST_PIECE) {
      size += this.waiting[0].byteLength;
      pieces.push(this.waiting.shift());
    }
    return new Blob(pieces);
  }

  stop() {
    this.ended = true;
    this.stream.getTracks().forEach((track) => track.stop());
    this.context.close();
    talking = null;
    showTalking();
  }
}

function showTalking() {
  talkButton.textContent = talking ? talkButton.dataset.stop : talkButton.dataset.start;
  talkButton.setAttribute("aria-pressed", String(Boolean(talking)));
}

async function beginTalking() {
  say("");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  let context = new AudioContext();
  if (context.sampleRate > 48000) {
    await context.close();
    context = new AudioContext({ sampleRate: 48000 });
  }
  await context.audioWorklet.addModule("/static/microphone.js");
  const heard = new AudioWorkletNode(context, "microphone", { channelCount: 1, channelCountMode: "explicit" });
  talking = new Talking(stream, context);
  heard.port.onmessage = (event) => talking && talking.waiting.push(event.data);
  context.createMediaStreamSource(stream).connect(heard);
  showTalking();
}

talkButton.addEventListener("click", async () => {
  if (talking) {
    talking.stop();
    return;
  }
  talkButton.disabled = true;
  await beginTalking().catch((error) => say(`${page.dataset.devices} (${error.name})`));
  talkButton.disabled = false;
});

// The camera: a photograph goes the way of a chosen file.
const camera = document.getElementById("camera");
const cameraButton = document.getElementById("use-camera");
const shutter = document.getElementById("shutter");
const fileForm = document.getElementById("file-form");

function closeCamera() {
  camera.srcObject.getTracks().forEach((track) => track.stop());
  camera.srcObject = null;
  document.getElementById("viewfinder").hidden = true;
  cameraButton.hidden = false;
}

cameraButton.addEventListener("click", async () => {
  say("");
  shutter.disabled = true; // before its first frame the camera has no picture to take
  try {
    camera.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 1920 } });
    document.getElementById("viewfinder").hidden = false;
    cameraButton.hidden = true;
    await camera.play();
    shutter.disabled = false;
    shutter.focus();
  } catch (error) {
    say(`${page.dataset.devices} (${error.name})`);
  }
});

shutter.addEventListener("click", () => {
  const picture = document.createElement("canvas");
  picture.width = camera.videoWidth;
  picture.height = camera.videoHeight;
  picture.getContext("2d").drawImage(camera, 0, 0);
  closeCamera();
  picture.toBlob((content) => {
    const body = new FormData(fileForm);
    body.set("file", content, "photograph.jpg");
    post(fileForm.dataset.path, body);
  }, "image/jpeg", 0.92);
});

document.getElementById("no-camera").addEventListener("click", closeCamera);

if (navigator.mediaDevices && window.AudioWorkletNode) {
  for (const element of page.querySelectorAll("[data-scripted]")) {
    element.hidden = false;
  }
}
