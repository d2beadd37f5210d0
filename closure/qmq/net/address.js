/**
 * @fileoverview The address of a server, in the one form that the rest of the
 * client uses: absolute, http or https, without a fragment. A transport puts
 * its own scheme in. Misuse is thrown: a page with a wrong address is a wrong
 * page, and no try would ever succeed.
 */

goog.module('qmq.net.address');

/** @const {!Map<string, string>} */
const SCHEMES = new Map(
    [['http:', 'http:'], ['ws:', 'http:'], ['https:', 'https:'], ['wss:', 'https:']]);

/**
 * @param {string} url Absolute, or relative to the page.
 * @param {string=} base In place of the page's address; for tests.
 * @return {!URL}
 * @throws {TypeError} If it is no address of a server.
 */
function resolve(url, base) {
  const here = base || (typeof location === 'undefined' ? undefined : location.href);
  const resolved = new URL(url, here);
  const scheme = SCHEMES.get(resolved.protocol);
  if (!scheme) throw new TypeError('not http, https, ws or wss: ' + url);
  // The protocol of a URL can be set between these four.
  resolved.protocol = scheme;
  resolved.hash = '';
  return resolved;
}

/**
 * @param {string} url Absolute, http or https.
 * @return {string} The same, ws or wss.
 */
function toWebSocket(url) {
  return url.replace(/^http/, 'ws');
}

/**
 * @param {string} url Absolute, of the place that speaks WebSocket: /stomp.
 * @param {string} name Of a place beside it.
 * @return {string}
 */
function beside(url, name) {
  return url.replace(/[^/?]*(\?|$)/, name + '$1');
}

exports = {beside, resolve, toWebSocket};
