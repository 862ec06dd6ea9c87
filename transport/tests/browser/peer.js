// The other side of a link, as a browser's page would be: its own RTCPeerConnection, the two lanes, the proof of its
// device key. Written from the descriptions of the frames and of the proof.
'use strict';

const VERSION = 0;
const FRAME_MAX = 65536;
const [PART, PING, PONG, HELLO, PROOF, ACCEPTED, REFUSED] = [1, 2, 3, 4, 5, 6, 7];
const [FIRST, LAST, GOODBYE] = [1, 2, 4];

// ---- BLAKE3 of at most one chunk (1,024 bytes), which all that is hashed here is.
const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

function compress(chaining, block, length, flags) {
  const state = [...chaining, IV[0], IV[1], IV[2], IV[3], 0, 0, length, flags];
  const turn = (value, by) => ((value >>> by) | (value << (32 - by))) >>> 0;
  const mix = (a, b, c, d, x, y) => {
    state[a] = (state[a] + state[b] + x) >>> 0; state[d] = turn(state[d] ^ state[a], 16);
    state[c] = (state[c] + state[d]) >>> 0; state[b] = turn(state[b] ^ state[c], 12);
    state[a] = (state[a] + state[b] + y) >>> 0; state[d] = turn(state[d] ^ state[a], 8);
    state[c] = (state[c] + state[d]) >>> 0; state[b] = turn(state[b] ^ state[c], 7);
  };
  let words = block;
  for (let round = 0; round < 7; round++) {
    for (let n = 0; n < 4; n++) mix(n, n + 4, n + 8, n + 12, words[2 * n], words[2 * n + 1]);
    for (let n = 0; n < 4; n++) mix(n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4, words[8 + 2 * n], words[9 + 2 * n]);
    words = ORDER.map((from) => words[from]);
  }
  return Array.from({ length: 8 }, (_, n) => (state[n] ^ state[n + 8]) >>> 0);
}

function hashChunk(key, bytes, flags) {
  if (bytes.length > 1024) throw new Error('more than one chunk');
  let chaining = key;
  const blocks = Math.max(1, Math.ceil(bytes.length / 64));
  for (let n = 0; n < blocks; n++) {
    const block = new Uint8Array(64);
    const part = bytes.subarray(64 * n, 64 * n + 64);
    block.set(part);
    const view = new DataView(block.buffer);
    const words = Array.from({ length: 16 }, (_, at) => view.getUint32(4 * at, true));
    const [start, end] = [n === 0 ? 1 : 0, n === blocks - 1 ? 2 | 8 : 0];
    chaining = compress(chaining, words, part.length, flags | start | end);
  }
  return chaining;
}

function deriveKey(context, bytes) {
  const words = hashChunk(hashChunk(IV, new TextEncoder().encode(context), 32), bytes, 64);
  const out = new DataView(new ArrayBuffer(32));
  words.forEach((word, n) => out.setUint32(4 * n, word, true));
  return new Uint8Array(out.buffer);
}

// ---- Bytes.
const concat = (...parts) => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
};
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const equal = (a, b) => a.length === b.length && a.every((byte, n) => byte === b[n]);

function fingerprintIn(sdp) {
  return unhex(/a=fingerprint:sha-256 (\S+)/i.exec(sdp)[1].replaceAll(':', ''));
}

// ---- The device and its link.
class Peer {
  static async create() {
    const peer = new Peer();
    peer.key = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
    peer.device = new Uint8Array(await crypto.subtle.exportKey('raw', peer.key.publicKey));
    peer.connection = new RTCPeerConnection();
    peer.control = peer.connection.createDataChannel('control', { negotiated: true, id: 0, ordered: false });
    peer.binary = peer.connection.createDataChannel('binary', { negotiated: true, id: 2, ordered: true });
    for (const channel of [peer.control, peer.binary]) channel.binaryType = 'arraybuffer';
    peer.control.onmessage = (event) => { peer.turn = peer.turn.then(() => peer.hear(new Uint8Array(event.data))); };
    peer.binary.onmessage = (event) => peer.hearBinary(new Uint8Array(event.data));
    peer.control.onopen = () => peer.greet();
    peer.control.onclose = () => peer.ended('closed');
    peer.turn = Promise.resolve();
    [peer.sequence, peer.next, peer.early, peer.joined] = [0n, 0n, new Map(), []];
    peer.inbox = { control: [], binary: [] };
    peer.nonce = crypto.getRandomValues(new Uint8Array(32));
    peer.share = crypto.getRandomValues(new Uint8Array(32));
    peer.up = new Promise((up, failed) => { [peer.isUp, peer.failed] = [up, failed]; });
    peer.over = new Promise((over) => { peer.ended = over; });
    return peer;
  }

  async gathered() {
    if (this.connection.iceGatheringState !== 'complete') {
      await new Promise((done) => {
        this.connection.onicegatheringstatechange = () => this.connection.iceGatheringState === 'complete' && done();
      });
    }
    return { sdp: this.connection.localDescription.sdp, device: hex(this.device) };
  }

  async offer() {
    this.isOfferer = true;
    await this.connection.setLocalDescription(await this.connection.createOffer());
    return this.gathered();
  }

  async accept(sdp, device) {
    this.expected = unhex(device);
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
  }

  async answer(sdp, device) {
    this.isOfferer = false;
    this.expected = unhex(device);
    await this.connection.setRemoteDescription({ type: 'offer', sdp });
    await this.connection.setLocalDescription(await this.connection.createAnswer());
    return this.gathered();
  }

  greet() {
    const hello = concat(new Uint8Array([HELLO, VERSION, 0]), this.device, this.nonce, this.share);
    const say = () => { if (!this.proven && this.control.readyState === 'open') { this.control.send(hello); setTimeout(say, 50); } };
    say();
  }

  async hear(frame) {
    const body = frame.subarray(1);
    switch (frame[0]) {
      case HELLO: return this.hearHello(body);
      case PROOF: this.theirProof = body; return this.checkProof();
      case ACCEPTED: this.accepted = true; return this.checkUp();
      case REFUSED: return this.failed(new Error(`refused: ${body[0]}`));
      case PING: return this.control.send(concat(new Uint8Array([PONG]), body));
      case PART: return this.hearPart(body);
    }
  }

  async hearHello(hello) {
    if (this.transcript) return;
    const [device, nonce, share] = [hello.subarray(2, 34), hello.subarray(34, 66), hello.subarray(66, 98)];
    if (hello.length !== 98 || hello[0] !== VERSION || !equal(device, this.expected)) {
      this.control.send(new Uint8Array([REFUSED, 2]));
      return this.failed(new Error('another device answered'));
    }
    const ours = concat(this.device, this.nonce, this.share, fingerprintIn(this.connection.localDescription.sdp));
    const theirs = concat(device, nonce, share, fingerprintIn(this.connection.remoteDescription.sdp));
    const sides = this.isOfferer ? [ours, theirs] : [theirs, ours];
    this.theirDevice = device;
    this.transcript = deriveKey('cuecard link transcript v0', concat(new Uint8Array([VERSION, 0]), ...sides));
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', this.key.privateKey, this.signed(this.isOfferer)));
    this.control.send(concat(new Uint8Array([PROOF]), signature));
    return this.checkProof();
  }

  signed(byOfferer) {
    const purpose = `cuecard link proof v0, ${byOfferer ? 'offerer' : 'answerer'}: `;
    return concat(new TextEncoder().encode(purpose), this.transcript);
  }

  async checkProof() {
    if (this.proven || !this.transcript || !this.theirProof) return;
    const key = await crypto.subtle.importKey('raw', this.theirDevice, 'Ed25519', false, ['verify']);
    if (!await crypto.subtle.verify('Ed25519', key, this.theirProof, this.signed(!this.isOfferer))) {
      this.control.send(new Uint8Array([REFUSED, 4]));
      return this.failed(new Error('its signature does not fit'));
    }
    this.proven = true;
    this.control.send(new Uint8Array([ACCEPTED]));
    this.checkUp();
  }

  checkUp() {
    if (this.proven && this.accepted) this.isUp(hex(this.transcript));
  }

  // Control is unordered on the wire: the sequence puts it in order.
  hearPart(body) {
    const view = new DataView(body.buffer, body.byteOffset);
    this.early.set(view.getBigUint64(0, true), { flags: body[8], bytes: body.slice(9) });
    while (this.early.has(this.next)) {
      const { flags, bytes } = this.early.get(this.next);
      this.early.delete(this.next++);
      this.joined.push(bytes);
      if (flags & GOODBYE) this.ended('goodbye');
      else if (flags & LAST) this.inbox.control.push(concat(...this.joined));
      if (flags & LAST) this.joined = [];
    }
  }

  hearBinary(frame) {
    if (frame[0] === 1) this.inbox.binary.push(frame.slice(1));
  }

  part(flags, bytes) {
    const header = new DataView(new ArrayBuffer(10));
    header.setUint8(0, PART);
    header.setBigUint64(1, this.sequence++, true);
    header.setUint8(9, flags);
    this.control.send(concat(new Uint8Array(header.buffer), bytes));
  }

  sendControl(bytes) {
    const most = FRAME_MAX - 10;
    const parts = Math.max(1, Math.ceil(bytes.length / most));
    for (let n = 0; n < parts; n++) {
      this.part((n === 0 ? FIRST : 0) | (n === parts - 1 ? LAST : 0), bytes.subarray(n * most, (n + 1) * most));
    }
  }

  // Sends every message that came back by the lane it came by, until there were so many.
  async echo(count) {
    for (let done = 0; done < count;) {
      for (const message of this.inbox.control.splice(0)) { this.sendControl(message); done++; }
      for (const message of this.inbox.binary.splice(0)) { this.binary.send(concat(new Uint8Array([1]), message)); done++; }
      await new Promise((later) => setTimeout(later, 5));
    }
    return count;
  }

  goodbye() {
    this.part(FIRST | LAST | GOODBYE, new Uint8Array([0]));
  }
}

let peer;
const start = async () => { peer = await Peer.create(); return hex(peer.device); };
