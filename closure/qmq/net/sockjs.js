/**
 * @fileoverview SockJS as one more transport, for pages that bring its client
 * and name it among their transports. SockJS looks like a WebSocket that carries
 * text only, so this is qmq.net.WebSocketTransport with another way to dial; a
 * frame whose body is no text goes in base64 and says so, in both directions.
 */

goog.module('qmq.net.sockjs');

const Listener = goog.requireType('qmq.net.Listener');
const TransportKind = goog.requireType('qmq.net.TransportKind');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const address = goog.require('qmq.net.address');
const codec = goog.require('qmq.stomp.codec');

const /** string */ ENCODED = 'content-transfer-encoding:base64';

/**
 * @param {function(new:WebSocket, string)} SockJS The client of SockJS.
 * @return {!TransportKind}
 */
function transport(SockJS) {
  return {
    transportName: 'sockjs',
    enabled: () => true,
    create: (url, listener) => new WebSocketTransport(
        url, reading(listener), () => dial(SockJS, address.beside(url, 'sockjs'))),
  };
}

/**
 * @param {function(new:WebSocket, string)} SockJS
 * @param {string} url
 * @return {!WebSocket} What sends text whatever it is given.
 */
function dial(SockJS, url) {
  const socket = new SockJS(url);
  const send = socket.send;
  socket.send = (data) => send.call(
      socket, typeof data === 'string' ? data : toText(/** @type {!Uint8Array} */ (data)));
  return socket;
}

/**
 * @param {!Listener} listener
 * @return {!Listener} What hears frames as the listener wants them.
 */
function reading(listener) {
  return {
    onopen: () => listener.onopen(),
    ondata: (data) => listener.ondata(fromText(/** @type {string} */ (data))),
    onclose: (code, reason) => listener.onclose(code, reason),
  };
}

/**
 * @param {!Uint8Array} data A whole frame.
 * @return {string}
 */
function toText(data) {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(data);
  } catch (error) {
    const at = data.findIndex((octet, i) => octet === 10 && data[i + 1] === 10);
    const body = Array.from(data.subarray(at + 2, -1), (octet) => String.fromCharCode(Number(octet)));
    const text = btoa(body.join(''));
    const [command, ...headers] = new TextDecoder().decode(data.subarray(0, at)).split('\n');
    return head(command, [ENCODED, ...headers], text.length) + text + '\0';
  }
}

/**
 * @param {string} text A whole frame.
 * @return {string|!Uint8Array}
 */
function fromText(text) {
  const at = text.indexOf('\n\n');
  const [command, ...headers] = text.slice(0, at).split('\n');
  if (!headers.includes(ENCODED)) return text;
  const body = Uint8Array.from(atob(text.slice(at + 2, -1)), (char) => char.charCodeAt(0));
  return codec.join(head(command, headers.filter((line) => line !== ENCODED), body.length), body);
}

/**
 * @param {string} command
 * @param {!Array<string>} headers As they are written.
 * @param {number} length Of the body.
 * @return {string} The frame up to its body.
 */
function head(command, headers, length) {
  const kept = headers.filter((line) => !line.startsWith('content-length:'));
  return [command, ...kept, `content-length:${length}`, '', ''].join('\n');
}

exports = {fromText, toText, transport};
