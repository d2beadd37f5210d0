/** @fileoverview Tests of qmq.net.LongPollingTransport: which requests it makes of the browser. */

goog.module('qmq.net.LongPollingTransportTest');
goog.setTestOnly();

const LongPollingTransport = goog.require('qmq.net.LongPollingTransport');
const testSuite = goog.require('goog.testing.testSuite');

let realFetch;

testSuite({
  setUp() {
    realFetch = window.fetch;
  },

  tearDown() {
    window.fetch = realFetch;
  },

  testItsName() {
    assertEquals('long-polling', LongPollingTransport.transportName);
  },

  testABrowserWithoutFetchCannotDoIt() {
    assertTrue(LongPollingTransport.enabled());
    window.fetch = undefined;
    assertFalse(LongPollingTransport.enabled());
  },

  async testItPollsWithTheBrowsersOwnFetch() {
    const urls = [];
    const polled = new Promise((resolve) => {
      window.fetch = (url) => {
        urls.push(url);
        if (urls.length > 1) resolve();
        return Promise.resolve(new Response('{"session":"S","hold":1000}'));
      };
    });
    const transport = LongPollingTransport.create(
        'https://h/stomp', {onopen: () => transport.send('x'), ondata: fail, onclose: () => {}});
    transport.open();
    await polled;
    transport.close();
    assertArrayEquals(
        ['https://h/poll', 'https://h/poll/S/receive?ack=0'], urls.slice(0, 2));
  },
});
