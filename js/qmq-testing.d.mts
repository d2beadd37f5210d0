/**
 * The transport for tests as an ES module: the names of qmq-testing.d.ts, and all of them together
 * as the default.
 */

import * as qmq_testing from './qmq-testing.js';

export * from './qmq-testing.js';
export default qmq_testing;
