/* Two short tones, for those who switch them on: it is done; look here. */

import { keepSetting, setting } from "./store.js";

const TONES = { good: [[880, 0, 0.09]], look: [[440, 0, 0.12], [330, 0.15, 0.2]] };

let audio = null;

export const isOn = () => setting("sound") === "on";

export function toggle() {
  keepSetting("sound", isOn() ? "off" : "on");
  play("good");
}

export function play(tone) {
  const notes = TONES[tone === "bad" ? "look" : tone];
  if (!isOn() || !notes) {
    return;
  }
  audio ??= new AudioContext();
  audio.resume();
  for (const [pitch, after, length] of notes) {
    const begins = audio.currentTime + after;
    const oscillator = new OscillatorNode(audio, { frequency: pitch });
    const gain = new GainNode(audio, { gain: 0.15 });
    gain.gain.setTargetAtTime(0, begins + length * 0.7, 0.02); // no click at its end
    oscillator.connect(gain).connect(audio.destination);
    oscillator.start(begins);
    oscillator.stop(begins + length);
  }
}
