/**
 * SockJS as a transport as an ES module: the names of qmq-sockjs.d.ts, and all of them together
 * as the default.
 */

import * as qmq_sockjs from './qmq-sockjs.js';

export * from './qmq-sockjs.js';
export default qmq_sockjs;
