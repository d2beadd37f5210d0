/** @fileoverview Tests of qmq.net.address. */

goog.module('qmq.net.addressTest');
goog.setTestOnly();

const address = goog.require('qmq.net.address');
const testSuite = goog.require('goog.testing.testSuite');

function assertResolves(expected, url) {
  assertEquals(expected, address.resolve(url, 'https://page.test/a/b?c#d').href);
}

testSuite({
  testKnowsFourSchemesAndKeepsTwo() {
    assertResolves('http://h:1/stomp', 'http://h:1/stomp');
    assertResolves('https://h/stomp?a=b', 'https://h/stomp?a=b');
    assertResolves('http://h/stomp', 'ws://h/stomp');
    assertResolves('https://h/stomp', 'wss://h:443/stomp');
  },

  testIsRelativeToThePage() {
    assertResolves('https://page.test/stomp', '/stomp');
    assertResolves('https://page.test/a/stomp', 'stomp');
    assertResolves('https://other.test/stomp', '//other.test/stomp');
    assertEquals(location.origin + '/stomp', address.resolve('/stomp').href);
  },

  testHasNoFragment() {
    assertResolves('https://h/stomp', 'https://h/stomp#x');
  },

  testRefusesTheRest() {
    for (const url of ['ftp://h/', 'javascript:1', 'http://']) {
      assertTrue(assertThrows(() => address.resolve(url)) instanceof TypeError);
    }
  },

  testAPlaceBesideIt() {
    assertEquals('https://h/a/poll', address.beside('https://h/a/stomp', 'poll'));
    assertEquals('https://h/poll?a=/b', address.beside('https://h/stomp?a=/b', 'poll'));
    assertEquals('https://h/poll', address.beside('https://h/', 'poll'));
  },

  testForWebSocket() {
    assertEquals('ws://h/http', address.toWebSocket('http://h/http'));
    assertEquals('wss://h/', address.toWebSocket('https://h/'));
  },
});
