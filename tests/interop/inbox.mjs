// What has come, in order, for those who wait for the next one.

export class Inbox {
  constructor() {
    this.items = [];
    this.waiting = [];
  }

  put(item) {
    const reader = this.waiting.shift();
    if (reader) reader(item);
    else this.items.push(item);
  }

  /** How many have come that nobody has taken. */
  get length() {
    return this.items.length;
  }

  next() {
    if (this.items.length) return Promise.resolve(this.items.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async take(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }
}
