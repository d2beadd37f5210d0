/**
 * @fileoverview The error codes that server and browser share. Made by
 * js/build.mjs from server/qmq/errors.json; change that file, not this one.
 */

goog.module('qmq.errorcode');

/**
 * close: the WebSocket close number. retry: whether to try again is of use.
 * text: a sentence for people; empty if the server always says it.
 * @const {!Map<string, {close: number, retry: boolean, text: string}>}
 */
const TABLE = new Map([
  ['bad-frame', {close: 1007, retry: false, text: 'The bytes received are no STOMP frame'}],
  ['bad-escape', {close: 1007, retry: false, text: 'A header holds an escape that this STOMP version does not define'}],
  ['bad-utf8', {close: 1007, retry: false, text: 'The text received is not valid UTF-8'}],
  ['frame-too-large', {close: 1009, retry: false, text: 'The frame is larger than this server accepts'}],
  ['headers-too-large', {close: 1009, retry: false, text: 'The headers are more or longer than this server accepts'}],
  ['bad-websocket', {close: 1002, retry: false, text: 'The bytes received break the WebSocket protocol'}],
  ['unknown-command', {close: 4500, retry: false, text: ''}],
  ['not-now', {close: 4501, retry: false, text: ''}],
  ['missing-header', {close: 4502, retry: false, text: 'The frame lacks a header that its command needs'}],
  ['bad-header', {close: 4503, retry: false, text: 'A header has a value that is not allowed'}],
  ['bad-version', {close: 4504, retry: false, text: ''}],
  ['bad-destination', {close: 4505, retry: false, text: ''}],
  ['bad-pattern', {close: 4506, retry: false, text: ''}],
  ['duplicate-id', {close: 4507, retry: false, text: ''}],
  ['unknown-id', {close: 4508, retry: false, text: ''}],
  ['too-many-subscriptions', {close: 4509, retry: false, text: ''}],
  ['unexpected-body', {close: 4510, retry: false, text: ''}],
  ['bad-origin', {close: 4511, retry: false, text: 'Pages of this origin may not connect'}],
  ['not-upgrade', {close: 4512, retry: false, text: ''}],
  ['bad-upgrade', {close: 4513, retry: false, text: ''}],
  ['not-found', {close: 4514, retry: false, text: ''}],
  ['bad-method', {close: 4515, retry: false, text: ''}],
  ['bad-request', {close: 4516, retry: false, text: ''}],
  ['tls-required', {close: 4520, retry: false, text: ''}],
  ['tls-not-here', {close: 4521, retry: false, text: ''}],
  ['bad-login', {close: 4540, retry: false, text: ''}],
  ['login-required', {close: 4541, retry: false, text: ''}],
  ['bad-token', {close: 4542, retry: false, text: ''}],
  ['forbidden', {close: 4543, retry: false, text: ''}],
  ['conflict', {close: 4530, retry: false, text: ''}],
  ['in-use', {close: 4531, retry: false, text: ''}],
  ['unknown-delivery', {close: 4532, retry: false, text: 'There is no such message that this client has yet to settle'}],
  ['unknown-transaction', {close: 4533, retry: false, text: ''}],
  ['duplicate-transaction', {close: 4534, retry: false, text: ''}],
  ['transaction-too-large', {close: 4535, retry: false, text: ''}],
  ['bad-operation', {close: 4536, retry: false, text: ''}],
  ['bad-sequence', {close: 4517, retry: false, text: ''}],
  ['slow-consumer', {close: 4000, retry: true, text: 'The subscription passed its bound because its messages were not read'}],
  ['outbox-full', {close: 4001, retry: true, text: 'The replies owed to this connection passed its bound because they were not read'}],
  ['heartbeat-lost', {close: 4002, retry: true, text: 'Nothing was heard from the client for too long'}],
  ['connect-timeout', {close: 4003, retry: true, text: 'The client did not log in in time'}],
  ['queue-full', {close: 4010, retry: true, text: 'The queue holds as much as it may'}],
  ['queue-deleted', {close: 4011, retry: true, text: 'The queue was deleted'}],
  ['ack-timeout', {close: 4012, retry: true, text: 'A message was not settled in time and has gone back to its queue'}],
  ['too-many-queues', {close: 4013, retry: true, text: 'The server has as many queues or exchanges as it allows'}],
  ['too-many-bindings', {close: 4014, retry: true, text: 'The server has as many bindings as it allows'}],
  ['memory-full', {close: 4015, retry: true, text: 'The server has as many messages as it may hold; publishers wait'}],
  ['request-timeout', {close: 4016, retry: true, text: 'No reply came in time'}],
  ['unknown-session', {close: 4017, retry: true, text: 'There is no session of this name, or not any more'}],
  ['token-expired', {close: 4018, retry: true, text: 'The token has expired; come back with a new one'}],
  ['kicked', {close: 4021, retry: true, text: 'An operator has ended the connection'}],
  ['shutting-down', {close: 1012, retry: true, text: 'The server is shutting down'}],
  ['too-many-connections', {close: 1013, retry: true, text: 'The server has as many connections as it allows'}],
  ['internal-error', {close: 1011, retry: true, text: 'The server failed; the cause is in its log'}],
  ['connect-failed', {close: 1006, retry: true, text: 'The server could not be reached'}],
  ['connection-lost', {close: 1006, retry: true, text: 'The connection ended without a word'}],
  ['closed', {close: 1000, retry: false, text: 'The client was closed'}],
]);

exports = {TABLE};
