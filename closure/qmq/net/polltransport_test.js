/** @fileoverview Tests of qmq.net.PollTransport, with a server that the test plays. */

goog.module('qmq.net.PollTransportTest');
goog.setTestOnly();

const MockClock = goog.require('goog.testing.MockClock');
const PollTransport = goog.require('qmq.net.PollTransport');
const testSuite = goog.require('goog.testing.testSuite');

let clock;
/** The requests that wait for an answer. */
let asked;
/** What the owner heard. */
let heard;
let transport;

/** Lets all promises that can be settled be settled. */
async function settle() {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Stands for fetch. */
function request(url, init) {
  return new Promise((resolve, reject) => {
    const entry = {url, init, resolve, reject};
    asked.push(entry);
    if (init.signal) {
      init.signal.addEventListener('abort', () => {
        if (asked.includes(entry)) asked.splice(asked.indexOf(entry), 1);
        reject(new Error('aborted'));
        if (entry.stream) entry.stream.error(new Error('aborted'));
      });
    }
  });
}

/** The path of the one request that waits. */
function path(entry = asked[0]) {
  return entry.url.replace('https://h', '');
}

function take(end) {
  const at = asked.findIndex((entry) => path(entry).includes(end));
  assertNotEquals(end + ' is not among ' + asked.map(path), -1, at);
  return asked.splice(at, 1)[0];
}

async function answer(end, body = '', status = 200) {
  take(end).resolve(new Response(status === 204 ? null : body, {status}));
  await settle();
  await new Promise((resolve) => realTimeout(resolve, 0));
  await settle();
}

/** A streamed answer, which the test goes on with. */
async function stream(end) {
  const entry = take(end);
  const body = new ReadableStream({start: (controller) => void (entry.stream = controller)});
  entry.resolve(new Response(body));
  await settle();
  return {
    async say(text) {
      entry.stream.enqueue(new TextEncoder().encode(text));
      await settle();
    },
    async end() {
      entry.stream.close();
      await settle();
    },
  };
}

async function open(isStreaming = false) {
  transport = new PollTransport('https://h/stomp?k=v', {
    onopen: () => {
      heard.push('open');
      transport.send('hello');
    },
    ondata: (data) => heard.push(new TextDecoder().decode(data)),
    onclose: (code, reason) => heard.push(code + ' ' + reason),
  }, isStreaming, request);
  transport.open();
  await settle();
}

async function openWhole(isStreaming = false) {
  await open(isStreaming);
  await answer('/poll?k=v', '{"session":"S","hold":25000}');
}

async function sent(entry) {
  return [path(entry), await entry.init.body.text()].join(' ');
}

let realTimeout;

testSuite({
  setUp() {
    realTimeout = setTimeout.bind(window);
    clock = new MockClock(true);
    asked = [];
    heard = [];
  },

  tearDown() {
    transport.close();
    clock.uninstall();
  },

  async testOpensWithTheFirstThatIsSaid() {
    await open();
    assertArrayEquals(['open'], heard);
    assertEquals('/poll?k=v hello', await sent(asked[0]));
    assertEquals('POST', asked[0].init.method);
    assertEquals('include', asked[0].init.credentials);
    assertEquals('text/plain', asked[0].init.body.type);
    await answer('/poll?k=v', '{"session":"S","hold":25000}');
    assertEquals('/poll/S/receive?ack=0', path());
  },

  async testReceivesAgainAndAgain() {
    await openWhole();
    await answer('receive?ack=0', '1 1\na2 1\nb');
    await answer('receive?ack=2', '');
    await answer('receive?ack=2', '2 1\nb3 1\nc');
    assertEquals('/poll/S/receive?ack=3', path());
    assertArrayEquals(['open', 'a', 'b', 'c'], heard);
  },

  async testSendsOneRequestAtATimeAndJoinsWhatWaits() {
    await openWhole();
    transport.send('a');
    transport.send(Uint8Array.of(98));
    transport.send('c');
    assertEquals(2, asked.length);
    await answer('send?seq=1&ack=0', '', 204);
    assertEquals('/poll/S/send?seq=2&ack=0 bc', await sent(asked[1]));
    await answer('send?seq=2', '', 204);
    assertEquals(1, asked.length);
  },

  async testWhatIsLostIsSaidAgainAndAskedForAgain() {
    await openWhole();
    transport.send('a');
    take('send?seq=1').reject(new Error('lost'));
    take('receive?ack=0').reject(new Error('lost'));
    await settle();
    assertEquals(0, asked.length);
    clock.tick(100);
    await settle();
    await answer('receive?ack=0', '1 1\nx');
    assertEquals('/poll/S/send?seq=1&ack=0 a', await sent(take('send')));
    assertArrayEquals(['open', 'x'], heard);
  },

  async testItGivesUpInTheEnd() {
    await openWhole();
    for (const pause of [100, 500, 2000]) {
      take('receive').reject(new Error('lost'));
      await settle();
      clock.tick(pause);
      await settle();
    }
    assertArrayEquals(['open'], heard);
    take('receive').reject(new Error('lost'));
    await settle();
    assertArrayEquals(['open', '1006 Error: lost'], heard);
    assertEquals(0, asked.length);
  },

  async testAnAnswerThatIsCutGivesWhatIsWhole() {
    await openWhole(true);
    const answered = await stream('receive?ack=0&stream=1');
    await answered.say('\n1 1\na2 3\nb');
    await answered.end();
    assertEquals('/poll/S/receive?ack=1&stream=1', path());
    assertArrayEquals(['open', 'a'], heard);
  },

  async testAStreamGoesOn() {
    await openWhole(true);
    const answered = await stream('receive?ack=0');
    await answered.say('\n1 1\na');
    await answered.say('2 1\nb');
    clock.tick(20000);
    await answered.say('\n');
    clock.tick(20000);
    await answered.say('3 1\nc');
    assertArrayEquals(['open', 'a', 'b', 'c'], heard);
    assertEquals(0, asked.length);
  },

  async testASilentStreamIsAskedForAgain() {
    await openWhole(true);
    const answered = await stream('receive?ack=0');
    await answered.say('1 1\na');
    clock.tick(25000);
    await settle();
    clock.tick(100);
    await settle();
    assertEquals('/poll/S/receive?ack=1&stream=1', path());
  },

  async testAProxyThatHoldsAStreamBackIsNoticed() {
    await openWhole(true);
    clock.tick(999);
    assertArrayEquals(['open'], heard);
    clock.tick(1);
    await settle();
    assertArrayEquals(
        ['open', '1006 buffered: nothing of a streamed answer comes through'], heard);
    assertEquals(0, asked.length);
  },

  async testALongPollThatTakesTooLongIsMadeAgain() {
    await openWhole();
    const first = asked[0];
    clock.tick(30000);
    await settle();
    clock.tick(100);
    await settle();
    assertEquals('/poll/S/receive?ack=0', path());
    assertNotEquals(first, asked[0]);
    assertArrayEquals(['open'], heard);
  },

  async testTheServerEndsIt() {
    await openWhole();
    await answer('receive', '1 1\na' + 'end 4000 slow-consumer\n');
    assertArrayEquals(['open', 'a', '4000 slow-consumer'], heard);
    assertEquals(0, asked.length);
  },

  async testTheServersErrorsAreTold() {
    for (const [code, number] of [['bad-origin', 4511], ['too-many-connections', 1013]]) {
      heard = [];
      await open();
      await answer('/poll', `{"code":"${code}"}`, 403);
      assertArrayEquals(['open', number + ' ' + code], heard);
    }
    heard = [];
    await openWhole();
    await answer('receive', '{"code":"unknown-session"}', 404);
    assertArrayEquals(['open', '4017 unknown-session'], heard);
  },

  async testWhatIsTooLargeForAProxyIsNotSentAgain() {
    await openWhole();
    transport.send('x');
    await answer('send', '<html>', 413);
    assertEquals(2, heard.length);
    assertTrue(heard[1].endsWith(' frame-too-large'));
  },

  async testAFrameThatIsTooLargeForOneRequestGoesInSeveral() {
    await openWhole();
    transport.send('a'.repeat(200000));
    transport.send('b'.repeat(600000));
    transport.send('c');
    let all = '';
    for (let seq = 1; seq <= 5; seq++) {
      const entry = asked.find((one) => path(one).includes('send?seq=' + seq));
      assertTrue(entry.init.body.size <= 256 * 1024);
      all += await entry.init.body.text();
      await answer('send?seq=' + seq, '', 204);
      if (all.length > 800000) break;
    }
    assertEquals('a'.repeat(200000) + 'b'.repeat(600000) + 'c', all);
  },

  async testARequestThatIsSwallowedIsMadeAgain() {
    await openWhole();
    transport.send('x');
    const first = take('send');
    asked.push(first);
    clock.tick(14999);
    await settle();
    assertTrue(asked.includes(first));
    clock.tick(2);
    await settle();
    assertFalse(asked.includes(first));
    // It may only have to wait, so it goes on as long as the connection does.
    let limit = 30000;
    for (let i = 0; i < 2; i++) {
      const again = asked.find((one) => path(one).includes('send'));
      assertEquals('/poll/S/send?seq=1&ack=0 x', await sent(again));
      clock.tick(limit + 1);
      await settle();
      assertFalse(asked.includes(again));
      limit *= 2;
    }
    assertArrayEquals(['open'], heard);
    await answer('send', '', 204);
  },

  async testWhatAProxyRefusesIsNotSentAgain() {
    for (const status of [400, 403, 415, 431]) {
      heard = [];
      await openWhole();
      transport.send('x');
      await answer('send', '<html>', status);
      assertEquals(2, heard.length);
      assertTrue(heard[1].endsWith(' bad-request'));
    }
  },

  async testWhatAProxyCannotDoJustNowIsSentAgain() {
    for (const status of [404, 408, 425, 429, 502]) {
      heard = [];
      await openWhole();
      transport.send('x');
      await answer('send', '<html>', status);
      clock.tick(100);
      await settle();
      assertEquals('/poll/S/send?seq=1&ack=0', path(asked.find((entry) => path(entry).includes('send'))));
    }
  },

  async testWhatIsNotOfOurServerIsAFailure() {
    for (const [status, body, reason] of [[502, '<html>', 'HTTP 502'], [404, '{}', 'HTTP 404']]) {
      heard = [];
      await open();
      await answer('/poll', body, status);
      assertArrayEquals(['open', '1006 Error: ' + reason], heard);
    }
    heard = [];
    await open();
    await answer('/poll', '<html>');
    assertEquals(2, heard.length);
    assertTrue(heard[1].startsWith('1006 SyntaxError'));
  },

  async testAnAnswerThatMakesNoSenseIsAFailure() {
    for (const text of ['<html>', '2 1\nb']) {
      await openWhole();
      await answer('receive?ack=0', text + '\n');
      clock.tick(100);
      await settle();
      assertEquals('/poll/S/receive?ack=0', path());
      assertArrayEquals(['open'], heard.splice(0));
      transport.close();
      asked = [];
    }
  },

  async testCloseSendsWhatWaitsAndSaysGoodbye() {
    await openWhole();
    transport.send('a');
    transport.send('bye');
    transport.close();
    await settle();
    assertEquals(1, asked.length);  // Nothing is received any more.
    await answer('send?seq=1', '', 204);
    assertEquals('/poll/S/send?seq=2&ack=0 bye', await sent(asked[0]));
    await answer('send?seq=2', '', 204);
    assertEquals('/poll/S/close', path());
    assertTrue(asked[0].init.keepalive);
    await answer('close', '', 204);
    transport.close();
    await settle();
    assertEquals(0, asked.length);
    assertArrayEquals(['open'], heard);
  },

  async testCloseBeforeItIsOpen() {
    await open();
    transport.close();
    await settle();
    assertEquals(0, asked.length);
    transport = new PollTransport('https://h/stomp', {onopen: fail}, false, request);
    transport.open();
    transport.close();
    await settle();
    assertEquals(0, asked.length);
  },

  async testAPageThatIsPutAwayEndsIt() {
    await openWhole();
    const beacons = [];
    const real = navigator.sendBeacon;
    navigator.sendBeacon = (url) => beacons.push(url);
    try {
      window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}));
    } finally {
      navigator.sendBeacon = real;
    }
    assertArrayEquals(['https://h/poll/S/close'], beacons);
    assertArrayEquals(['open', '1006 The page was left'], heard);
  },
});
