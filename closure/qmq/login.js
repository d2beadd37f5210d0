/**
 * @fileoverview Who the page says it is: the login headers of CONNECT. A token
 * is fetched anew each time it is needed, because the last one may be over.
 * Nothing is kept here.
 */

goog.module('qmq.login');

const {ClientOptions} = goog.requireType('qmq.options');

/**
 * @param {!ClientOptions} options
 * @return {!Promise<!Map<string, string>>} Rejects with whatever the page's own
 *     function throws.
 */
async function headers(options) {
  const found = new Map();
  if (options.token) {
    found.set('login', 'token').set('passcode', String(await options.token()));
    return found;
  }
  if (options.login !== undefined) found.set('login', options.login);
  if (options.passcode !== undefined) found.set('passcode', options.passcode);
  return found;
}

exports = {headers};
