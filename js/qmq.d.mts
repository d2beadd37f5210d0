/**
 * The client as an ES module: the names of qmq.d.ts, and all of them together
 * as the default.
 */

import * as qmq from './qmq.js';

export * from './qmq.js';
export default qmq;
