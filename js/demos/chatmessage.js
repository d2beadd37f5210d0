/**
 * @fileoverview What one chat message is: made from what the person typed, or
 * read from what came over the topic.
 *
 * Anybody may publish to the topic, so nothing that came is believed: what is
 * no chat message is null, and no string is longer than the page shows. It
 * never touches the page.
 */

export const MAX_NAME = 40;
export const MAX_TEXT = 1000;

/** More than this is not even parsed. */
const MAX_BYTES = 16 * 1024;
/** A sender's clock that is further off than this is not shown. */
const MAX_SKEW_MS = 2 * 60 * 1000;
const ID = /^[0-9a-f]{16}$/;
/** Control characters other than line feed, and those that turn text around. */
const UNSHOWN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A message to publish. The id lets a page know its own again.
 * @param {string} who
 * @param {string} text
 */
export function compose(who, text) {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const id = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return {who: name(who), text: clean(text, MAX_TEXT), at: Date.now(), id};
}

/**
 * Reads a message. Plain text is taken as said by nobody in particular, so that
 * a command line needs no JSON.
 * @param {!qmq.Message} message
 * @return {?{who: string, text: string, at: number, id: string}}
 */
export function read(message) {
  if (message.bytes().length > MAX_BYTES) return null;
  const now = Date.now();
  let value;
  try {
    value = message.json();
  } catch (error) {
    value = {who: 'Anonymous', text: message.text()};
  }
  if (typeof value !== 'object' || value === null) return null;
  const {who, text, at, id} = value;
  if (typeof who !== 'string' || typeof text !== 'string') return null;
  const shown = clean(text, MAX_TEXT);
  if (!shown) return null;
  const isSane = Number.isFinite(at) && Math.abs(now - at) < MAX_SKEW_MS;
  return {
    who: name(who) || 'Anonymous',
    text: shown,
    at: isSane ? at : now,
    id: typeof id === 'string' && ID.test(id) ? id : '',
  };
}

/** @param {string} text */
export function name(text) {
  return clean(text.replace(/\s+/g, ' '), MAX_NAME);
}

/**
 * Cuts between characters, never through one.
 * @param {string} text
 * @param {number} limit
 */
function clean(text, limit) {
  const shown = text.slice(0, MAX_BYTES).replace(UNSHOWN, '').trim();
  if (shown.length <= limit) return shown;
  let cut = '';
  for (const character of shown) {
    if (cut.length + character.length >= limit) break;
    cut += character;
  }
  return `${cut}…`;
}
