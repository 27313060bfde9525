// Runs in the audio thread of the browser: hands on what the microphone hears as 16-bit samples.
class Microphone extends AudioWorkletProcessor {
  process(inputs) {
    const heard = inputs[0][0];
    if (heard) {
      const samples = new Int16Array(heard.length);
      for (let at = 0; at < heard.length; at++) {
        samples[at] = Math.max(-1, Math.min(1, heard[at])) * 32767;
      }
      this.port.postMessage(samples, [samples.buffer]);
    }
    return true;
  }
}
registerProcessor("microphone", Microphone);
