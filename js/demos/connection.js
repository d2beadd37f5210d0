/**
 * @fileoverview What the demo pages do alike with a connection: show its state
 * in words and by which transport it goes, say why it ended, and offer to
 * connect again when the client has given up.
 *
 * It knows nothing of topics: the page subscribes in onclient, which is called
 * with each new client.
 */

const WORDS = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Connecting again',
  closed: 'Not connected',
};

export class Connection {
  /**
   * @param {function(!qmq.Client): void} onclient
   * @param {function(string): void=} onstate
   */
  constructor(onclient, onstate = () => {}) {
    this.onclient_ = onclient;
    this.onstate_ = onstate;
    this.client_ = null;
    this.light_ = document.getElementById('state');
    this.lost_ = document.getElementById('lost');
    this.reason_ = document.getElementById('reason');
    this.again_ = document.getElementById('again');
    this.again_.addEventListener('click', () => this.open());
  }

  /** The client of now; it may be closed, or null before the first. */
  get client() {
    return this.client_;
  }

  open() {
    if (this.client_ && this.client_.state !== 'closed') return;
    if (typeof qmq === 'undefined') {
      this.reason_.textContent =
          'The client /qmq.js did not load; reload the page.';
      this.show_('closed');
      return;
    }
    const client = qmq.connect('/stomp', {});
    this.client_ = client;
    this.reason_.textContent = '';
    // Before anything else of this client, so that the reason is there first.
    client.on('error', (error) => {
      this.reason_.textContent =
          error.detail ? `${error.message} (${error.detail}).` :
                         `${error.message}.`;
    });
    client.on('state', (state) => this.show_(state));
    this.show_(client.state);
    this.onclient_(client);
  }

  show_(state) {
    const hadFocus = document.activeElement === this.again_;
    const transport = this.client_ && this.client_.transport;
    this.light_.textContent =
        (WORDS[state] || state) + (transport ? ` · ${transport}` : '');
    this.light_.dataset.state = state;
    this.lost_.hidden = state !== 'closed';
    if (hadFocus && state !== 'closed') {
      document.querySelector('[data-focus]').focus();
    }
    this.onstate_(state);
  }
}
