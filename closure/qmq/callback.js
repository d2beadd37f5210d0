/**
 * @fileoverview The one place where functions of the page are called. A page's
 * function that throws must not take the client down with it: its error goes
 * where uncaught errors go (the console, window.onerror), and the next message
 * is delivered all the same. It never swallows an error and never passes one on
 * to its caller.
 */

goog.module('qmq.callback');

/**
 * @param {?function(T): void|undefined} listener
 * @param {T} value
 * @template T
 */
function run(listener, value) {
  if (!listener) return;
  try {
    listener(value);
  } catch (error) {
    // As reportError() does, which not every browser in use has.
    setTimeout(() => {
      throw error;
    }, 0);
  }
}

exports = {run};
