/**
 * @fileoverview The landing page: prices as they move, whether the demos are
 * on, and buttons that copy the examples.
 *
 * It asks /info.json about the gateway, and holds one connection if the demos
 * are on, none otherwise.
 */

const PRICES = '/topic/demo.prices.*';
/** How many prices a line shows. */
const POINTS = 40;
/** Where the commands connect if they are not told. */
const USUAL_HOST = '127.0.0.1:8000';

/** With reduced motion, one picture in this time. */
const CALM_MS = 2000;

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const byId = (id) => document.getElementById(id);

/** The line and the number of one symbol. */
class Row {
  constructor(element) {
    this.line_ = element.querySelector('polyline');
    this.price_ = element.querySelector('.price');
    this.prices_ = [];
  }

  add(price) {
    this.prices_.push(price);
    if (this.prices_.length > POINTS) this.prices_.shift();
  }

  draw() {
    if (!this.prices_.length) return;
    const low = Math.min(...this.prices_);
    const height = Math.max(...this.prices_) - low || 1;
    const first = POINTS - this.prices_.length;
    const point = (price, i) => {
      const x = (first + i) / (POINTS - 1) * 100;
      return `${x.toFixed(1)},${(22 - (price - low) / height * 20).toFixed(1)}`;
    };
    this.line_.setAttribute('points', this.prices_.map(point).join(' '));
    this.price_.textContent = this.prices_[this.prices_.length - 1].toFixed(2);
  }
}

/** The card of live prices. */
class Live {
  constructor() {
    this.light_ = byId('state');
    this.rows_ = new Map();
    for (const element of document.querySelectorAll('#prices [data-symbol]')) {
      this.rows_.set(element.dataset.symbol, new Row(element));
    }
    this.frame_ = 0;
    this.client_ = null;
  }

  async start() {
    let info;
    try {
      info = await (await fetch('/info.json')).json();
    } catch (error) {
      this.fail_('The gateway did not answer. Reload the page to try again.');
      return;
    }
    if (info.demo) {
      this.connect_();
    } else {
      this.turnOff_();
    }
  }

  connect_() {
    if (typeof qmq === 'undefined') {
      this.fail_('The client /qmq.js did not load.');
      return;
    }
    this.client_ = qmq.connect('/stomp', {});
    this.client_.on('error', (error) => {
      if (error.retry) return;  // The client tries again by itself.
      const detail = error.detail ? ` (${error.detail})` : '';
      this.fail_(`${error.message}${detail}. Reload the page to try again.`);
    });
    this.client_.on('state', (state) => {
      if (state === 'closed') {
        this.stop_();
      } else {
        const isOpen = state === 'open';
        this.light_.textContent =
            isOpen ? `Connected · ${this.client_.transport}` : 'Connecting again';
        this.light_.dataset.state = state;
      }
    });
    const options = {overflow: 'conflate', conflateKey: 'symbol'};
    const prices =
        this.client_.subscribe(PRICES, (m) => this.receive_(m), options);
    prices.ready.then(
        () => {
          document.documentElement.dataset.demo = 'on';
        },
        () => {});  // The error event says it.
  }

  receive_(message) {
    let quote;
    try {
      quote = message.json();
    } catch (error) {
      return;  // No price: anybody may publish to the topic.
    }
    const row = quote && this.rows_.get(quote.symbol);
    if (!row || !Number.isFinite(quote.price) || quote.price <= 0) return;
    row.add(quote.price);
    if (this.frame_) return;
    const pace = calm.matches ? CALM_MS : 0;
    this.frame_ = setTimeout(
        () => requestAnimationFrame(() => this.draw_()), pace);
  }

  draw_() {
    this.frame_ = 0;
    for (const row of this.rows_.values()) row.draw();
  }

  turnOff_() {
    document.documentElement.dataset.demo = 'off';
    byId('prices').hidden = true;
    byId('off').hidden = false;
    for (const link of document.querySelectorAll('a.demo')) {
      if (link.closest('.cards')) {
        link.removeAttribute('href');
        link.setAttribute('aria-disabled', 'true');
        link.textContent = 'Off on this gateway';
      } else {
        link.hidden = true;
      }
    }
    this.light_.textContent = 'Demos are off';
    this.light_.dataset.state = 'off';
  }

  fail_(text) {
    byId('reason').textContent = text;
    byId('reason').hidden = false;
    this.stop_();
  }

  stop_() {
    this.light_.textContent = 'Not connected';
    this.light_.dataset.state = 'closed';
  }
}

/** The examples name this gateway, wherever it listens. */
function nameThisGateway() {
  for (const place of document.querySelectorAll('.origin')) {
    place.textContent = location.origin;
  }
  if (location.host === USUAL_HOST) return;
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  for (const place of document.querySelectorAll('.url')) {
    place.textContent = ` --url ${scheme}//${location.host}/stomp`;
  }
}

/** Copying needs https or this very machine; elsewhere there is no button. */
function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll('[data-copy]')) {
    const source = byId(button.dataset.copy);
    button.hidden = false;
    button.addEventListener('click', async () => {
      let said = 'Copied';
      try {
        await navigator.clipboard.writeText(`${source.textContent.trim()}\n`);
      } catch (error) {
        getSelection().selectAllChildren(source);
        said = 'Selected';
      }
      button.textContent = said;
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 2000);
    });
  }
}

nameThisGateway();
offerCopies();
new Live().start();
