/**
 * @fileoverview The error codes that server and browser share. Made by
 * js/build.mjs from server/qmq/errors.json; change that file, not this one.
 */

goog.module('qmq.errorcode');

/**
 * Code, WebSocket close number, and a sentence for people where the server
 * does not always say it.
 * @const {!Array<!Array<string|number>>}
 */
const ROWS = [
  ['bad-frame', 1007, 'The bytes received are no STOMP frame'],
  ['bad-escape', 1007, 'A header holds an escape that this STOMP version does not define'],
  ['bad-utf8', 1007, 'The text received is not valid UTF-8'],
  ['frame-too-large', 1009, 'The frame is larger than this server accepts'],
  ['headers-too-large', 1009, 'The headers are more or longer than this server accepts'],
  ['bad-websocket', 1002],
  ['unknown-command', 4500],
  ['not-now', 4501],
  ['missing-header', 4502, 'The frame lacks a header that its command needs'],
  ['bad-header', 4503, 'A header has a value that is not allowed'],
  ['bad-version', 4504],
  ['bad-destination', 4505],
  ['bad-pattern', 4506],
  ['duplicate-id', 4507],
  ['unknown-id', 4508],
  ['too-many-subscriptions', 4509],
  ['unexpected-body', 4510],
  ['bad-origin', 4511, 'Pages of this origin may not connect'],
  ['not-upgrade', 4512],
  ['bad-upgrade', 4513],
  ['not-found', 4514],
  ['bad-method', 4515],
  ['bad-request', 4516],
  ['bad-proxy-header', 4519],
  ['tls-required', 4520],
  ['tls-not-here', 4521],
  ['bad-login', 4540],
  ['login-required', 4541],
  ['bad-token', 4542],
  ['forbidden', 4543],
  ['conflict', 4530],
  ['in-use', 4531],
  ['unknown-delivery', 4532, 'There is no such message that this client has yet to settle'],
  ['unknown-transaction', 4533],
  ['duplicate-transaction', 4534],
  ['transaction-too-large', 4535],
  ['bad-operation', 4536],
  ['not-supported', 4537],
  ['bad-sequence', 4517],
  ['slow-consumer', 4000, 'The subscription passed its bound because its messages were not read'],
  ['outbox-full', 4001, 'The replies owed to this connection passed its bound because they were not read'],
  ['heartbeat-lost', 4002, 'Nothing was heard from the client for too long'],
  ['connect-timeout', 4003],
  ['queue-full', 4010],
  ['queue-deleted', 4011],
  ['ack-timeout', 4012],
  ['too-many-queues', 4013],
  ['too-many-bindings', 4014],
  ['memory-full', 4015],
  ['request-timeout', 4016, 'No reply came in time'],
  ['no-consumer', 4025],
  ['handler-failed', 4026],
  ['unknown-session', 4017, 'There is no session of this name, or not any more'],
  ['token-expired', 4018],
  ['kicked', 4021],
  ['too-many-logins', 4024],
  ['too-fast', 4022],
  ['idle-timeout', 4023],
  ['shutting-down', 1012, 'The server is shutting down'],
  ['too-many-connections', 1013, 'The server has as many connections as it allows'],
  ['internal-error', 1011, 'The server failed; the cause is in its log'],
  ['connect-failed', 1006, 'The server could not be reached'],
  ['connection-lost', 1006, 'The connection ended without a word'],
  ['closed', 1000, 'The client was closed'],
];

/**
 * close: the WebSocket close number. retry: whether to try again is of use.
 * text: a sentence for people; empty if the server always says it.
 * @const {!Map<string, {close: number, retry: boolean, text: string}>}
 */
const TABLE = new Map(ROWS.map(([code, number, text]) => {
  const close = Number(number);
  const retry = (close > 3999 && close < 4500) || close === 1006 || (close > 1010 && close < 1014);
  return [String(code), {close, retry, text: String(text || '')}];
}));

exports = {TABLE};
