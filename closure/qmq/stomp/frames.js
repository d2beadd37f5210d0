/**
 * @fileoverview The frames that a client sends, encoded, with every header that
 * the server needs in its place. Headers of the page come last and never
 * replace one of the client's. It decides nothing: ids and receipts are given.
 */

goog.module('qmq.stomp.frames');

const codec = goog.require('qmq.stomp.codec');
const {Payload} = goog.requireType('qmq.body');
const {SubscribeOptions} = goog.requireType('qmq.options');

/**
 * @param {!Map<string, string>} headers
 * @param {!Object<string, string>|undefined} more
 * @return {!Map<string, string>} The first, filled up from the second.
 * @throws {TypeError} If a value is no text, number or truth value.
 */
function fillUp(headers, more) {
  for (const name of Object.keys(more || {})) {
    if (headers.has(name)) continue;
    const value = /** @type {*} */ (more[name]);
    // What String makes of anything else nobody has meant.
    if (!/^(string|number|boolean|bigint)$/.test(typeof value)) {
      throw new TypeError(`the header ${name} is no text`);
    }
    headers.set(name, String(value));
  }
  return headers;
}

/**
 * @param {string} host
 * @param {!Map<string, string>} login
 * @param {!Object<string, string>|undefined} more
 * @param {string} beats What is promised and wanted as heart-beats, in milliseconds.
 * @return {string|!Uint8Array}
 */
function connect(host, login, more, beats) {
  const headers = new Map([
    ['accept-version', '1.2'], ['host', host], ['heart-beat', beats], ['refusals', 'true'], ...login,
  ]);
  return codec.encode('CONNECT', fillUp(headers, more));
}

/**
 * @param {string} destination
 * @param {!Payload} payload
 * @param {?string} receipt
 * @param {!Object<string, string>|undefined} more A content-type here stands
 *     against the one that was derived from the body.
 * @param {?string=} key By which the server knows a repetition.
 * @return {string|!Uint8Array}
 */
function send(destination, payload, receipt, more, key = null) {
  const headers = new Map([
    ['destination', destination],
    ['content-length', String(codec.byteLength(payload.data))],
  ]);
  if (receipt !== null) headers.set('receipt', receipt);
  fillUp(headers, more);
  if (key !== null && !headers.has('idempotency-key')) {
    headers.set('idempotency-key', key);
  }
  if (payload.type && !headers.has('content-type')) {
    headers.set('content-type', payload.type);
  }
  return codec.encode('SEND', headers, payload.data);
}

/**
 * @param {string} id
 * @param {string} destination
 * @param {string} receipt
 * @param {!SubscribeOptions} options
 * @param {string=} cursor Where to go on, in place of where the page began.
 * @return {string|!Uint8Array}
 */
function subscribe(id, destination, receipt, options, cursor = '') {
  const headers = new Map(
      [['id', id], ['destination', destination], ['receipt', receipt]]);
  if (options.ack !== undefined) headers.set('ack', options.ack);
  const own = headers.size;
  for (const [name, value] of bounds(options)) {
    if (value !== undefined) headers.set(name, String(value));
  }
  if (cursor) {
    headers.set('cursor', cursor);
  } else if (options.from !== undefined) {
    headers.set('from', options.from);
  } else if (headers.size === own) {
    // Only who asks for something of QMQ's is told what it was granted.
    headers.set('from', 'latest');
  }
  return codec.encode('SUBSCRIBE', fillUp(headers, options.headers));
}

/**
 * @param {!SubscribeOptions} options
 * @return {!Array<!Array<string|number|undefined>>}
 */
function bounds(options) {
  return [
    ['max-messages', options.maxMessages],
    ['max-bytes', options.maxBytes],
    ['overflow', options.overflow],
    ['conflate-key', options.conflateKey],
    ['prefetch-count', options.prefetch],
  ];
}

/**
 * @param {string} id
 * @param {string} receipt
 * @return {string|!Uint8Array}
 */
function unsubscribe(id, receipt) {
  return codec.encode('UNSUBSCRIBE', new Map([['id', id], ['receipt', receipt]]));
}

/**
 * @param {string} command ACK or NACK.
 * @param {string} id What the message said in its ack header.
 * @param {string} receipt
 * @param {boolean} requeue
 * @return {string|!Uint8Array}
 */
function settle(command, id, receipt, requeue) {
  const headers = new Map([['id', id], ['receipt', receipt]]);
  if (!requeue) headers.set('requeue', 'false');
  return codec.encode(command, headers);
}

/**
 * @param {string} receipt
 * @return {!Array<string|!Uint8Array>} What changes nothing, and is answered.
 */
function probe(receipt) {
  const headers = new Map([['transaction', receipt]]);
  const begin = codec.encode('BEGIN', headers);
  return [begin, codec.encode('ABORT', headers.set('receipt', receipt))];
}

/** @return {string|!Uint8Array} */
function disconnect() {
  return codec.encode('DISCONNECT', new Map());
}

exports = {connect, disconnect, probe, send, settle, subscribe, unsubscribe};
