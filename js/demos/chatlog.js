/**
 * @fileoverview The list of who said what. It keeps the newest lines only, and
 * stays at the end unless the person scrolled away from it.
 *
 * Text enters the page as text, never as markup. It knows no connection.
 */

const MAX_LINES = 200;
const HUES = 5;
/** Messages of one person within this time stand together. */
const TOGETHER_MS = 3 * 60 * 1000;
/** This near to the end counts as there. */
const NEAR_PX = 40;

const CLOCK = new Intl.DateTimeFormat(undefined, {timeStyle: 'short'});
const FATES = {sending: 'sending', delivered: 'delivered ✓', failed: 'failed'};

export class ChatLog {
  constructor() {
    this.list_ = document.getElementById('log');
    this.scroll_ = document.getElementById('scroll');
    this.newer_ = document.getElementById('newer');
    /** @type {!Map<string, !Element>} The lines that have an id. */
    this.byId_ = new Map();
    this.isAtEnd_ = true;
    this.frame_ = 0;
    this.last_ = null;
    this.scroll_.addEventListener('scroll', () => this.look_(), {passive: true});
    this.newer_.addEventListener('click', () => {
      this.newer_.hidden = true;
      this.isAtEnd_ = true;
      this.scroll_.focus({preventScroll: true});
      this.follow_();
    });
    // A keyboard on a phone, or a longer line, moves the end.
    new ResizeObserver(() => this.follow_()).observe(this.scroll_);
  }

  /** Whether a message of this id is in the list. */
  has(id) {
    return this.byId_.has(id);
  }

  /**
   * @param {{who: string, text: string, at: number, id: string}} said
   * @param {boolean} isOwn
   */
  add(said, isOwn) {
    document.getElementById('empty').hidden = true;
    const line = document.createElement('li');
    if (isOwn) line.classList.add('own');
    if (this.continues_(said, isOwn)) line.classList.add('more');
    line.classList.add(`hue-${hue(said.who)}`);
    const face = part('span', 'face', initial(said.who));
    face.setAttribute('aria-hidden', 'true');
    const bubble = part('div', 'bubble', '');
    const text = part('span', 'text', said.text);
    text.dir = 'auto';
    const time = part('time', '', CLOCK.format(said.at));
    time.dateTime = new Date(said.at).toISOString();
    const about = part('span', 'about', '');
    about.append(time);
    bubble.append(text, ' ', about);
    const who = part('span', 'who', isOwn ? `${said.who} (you)` : said.who);
    who.dir = 'auto';
    line.append(face, who, bubble);
    line.dataset.who = said.who;
    if (said.id) {
      line.dataset.id = said.id;
      this.byId_.set(said.id, line);
    }
    this.last_ = {who: said.who, at: said.at, isOwn};
    this.list_.append(line);
    if (this.list_.children.length > MAX_LINES) this.dropFirst_();
    if (this.isAtEnd_ || isOwn) {
      this.isAtEnd_ = true;
      this.follow_();
    } else {
      this.newer_.hidden = false;
    }
  }

  /**
   * What became of an own message.
   * @param {string} id
   * @param {string} fate sending, delivered or failed.
   * @param {string=} reason
   * @param {function(): void=} retry
   */
  mark(id, fate, reason = '', retry = undefined) {
    const line = this.byId_.get(id);
    if (!line) return;  // So old that it was dropped.
    line.dataset.fate = fate;
    let word = line.querySelector('.fate');
    if (!word) {
      word = part('span', 'fate', '');
      line.querySelector('.about').append(' ', word);
    }
    word.textContent = reason ? `${FATES[fate]}: ${reason}` : FATES[fate];
    const old = line.querySelector('.retry');
    if (old) old.remove();
    if (retry) {
      const button = part('button', 'button retry', 'Send again');
      button.type = 'button';
      button.addEventListener('click', retry);
      line.append(button);
    }
    this.follow_();
  }

  continues_(said, isOwn) {
    const last = this.last_;
    return !!last && last.who === said.who && last.isOwn === isOwn &&
        said.at - last.at < TOGETHER_MS;
  }

  dropFirst_() {
    const first = this.list_.firstElementChild;
    this.byId_.delete(first.dataset.id);
    first.remove();
    // What is the first now needs its name.
    this.list_.firstElementChild.classList.remove('more');
  }

  look_() {
    const {scrollHeight, scrollTop, clientHeight} = this.scroll_;
    this.isAtEnd_ = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.isAtEnd_) this.newer_.hidden = true;
  }

  /** Once a frame, however many messages came. */
  follow_() {
    if (!this.isAtEnd_ || this.frame_) return;
    this.frame_ = requestAnimationFrame(() => {
      this.frame_ = 0;
      this.scroll_.scrollTop = this.scroll_.scrollHeight;
    });
  }
}

function part(tag, kind, text) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

/** The same colour for the same name, in every page. */
function hue(who) {
  let sum = 0;
  for (const character of who) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % HUES;
}

function initial(who) {
  return Array.from(who)[0].toLocaleUpperCase();
}
