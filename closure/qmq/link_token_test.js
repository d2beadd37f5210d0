/** @fileoverview Tests of qmq.Link: a new token before the old one expires. */

goog.module('qmq.LinkTokenTest');
goog.setTestOnly();

const FakeTransport = goog.require('qmq.testing.FakeTransport');
const Link = goog.require('qmq.Link');
const MockClock = goog.require('goog.testing.MockClock');
const testSuite = goog.require('goog.testing.testSuite');

let clock;
let link;
let heard;
let fake;
let asked;
let fetchToken;

async function connect(options, headers = {'expires-in': '10000'}) {
  link = new Link(new URL('https://h/stomp'), {transports: [fake], ...options}, {
    ondial: () => heard.push('dial'),
    onconnected: () => heard.push('connected'),
    onframe: (frame) => heard.push(frame.command),
    onlost: (error, culprit, isFinal) => heard.push(error.code + (isFinal ? ' for good' : '')),
  });
  link.dial();
  await fake.accept(headers);
  fake.takeAllSent();
  heard = [];
}

/** Lets time pass, and what follows from that happen. */
async function pass(milliseconds) {
  clock.tick(milliseconds);
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

testSuite({
  setUp() {
    sessionStorage.removeItem('qmq.transport');
    clock = new MockClock(true);
    fake = new FakeTransport();
    heard = [];
    asked = 0;
    fetchToken = () => `token ${++asked}`;
  },

  tearDown() {
    link.stop();
    clock.uninstall();
    sessionStorage.removeItem('qmq.transport');
  },

  async testANewTokenIsShownInTimeAgainAndAgain() {
    await connect({token: () => fetchToken()});
    for (const [wait, said] of [[8000, 'token 2'], [16000, 'token 3'], [16000, 'token 4']]) {
      await pass(wait - 1);
      assertArrayEquals([], fake.takeAllSent());
      await pass(1);
      const frame = fake.takeSent();
      assertEquals('SEND', frame.command);
      assertEquals('/manage/refresh', frame.headers.get('destination'));
      assertEquals(said, new TextDecoder().decode(frame.body));
      fake.answer(frame, {'expires-in': '20000'});
    }
    assertArrayEquals([], heard);
  },

  async testTokensThatDoNotExpireAreNotRenewed() {
    await connect({token: () => fetchToken()}, {});
    await pass(1e9);
    assertEquals(1, asked);
  },

  async testAPasswordIsNotRenewed() {
    await connect({login: 'me', passcode: 'x'});
    await pass(1e9);
    assertArrayEquals([], fake.takeAllSent());
  },

  async testTokensThatLastForYearsNeedNoTimerThatOverflows() {
    await connect({token: () => fetchToken()}, {'expires-in': String(1e12)});
    await pass(86400000);
    assertEquals(1, asked);
  },

  async testWithoutANewTokenTheServerEndsTheConnectionAndTheLoginAsksAgain() {
    await connect({token: () => fetchToken()});
    fetchToken = () => Promise.reject(new Error('away'));
    await pass(8000);
    assertArrayEquals([], fake.takeAllSent());
    fetchToken = () => 'token at last';
    fake.receive('ERROR', {'code': 'token-expired', 'message': 'm', 'retry': 'true'});
    assertArrayEquals(['token-expired'], heard);
    await pass(1000);
    const again = await fake.accept();
    assertEquals('token at last', again.headers.get('passcode'));
  },

  async testATokenThatIsNotTakenIsTheEnd() {
    await connect({token: () => fetchToken()});
    await pass(8000);
    fake.receive('ERROR', {
      'code': 'bad-token', 'message': 'm', 'retry': 'false',
      'receipt-id': fake.takeSent().headers.get('receipt'),
    });
    assertArrayEquals(['bad-token for good'], heard);
  },

  async testAnExpiredTokenThatIsAllThePageHasIsTheEnd() {
    await connect({login: 'token', passcode: 'x'});
    fake.receive('ERROR', {'code': 'token-expired', 'message': 'm', 'retry': 'true'});
    assertArrayEquals(['token-expired for good'], heard);
  },

  async testATokenThatComesAfterTheEndGoesNowhere() {
    await connect({token: () => fetchToken()});
    let give;
    fetchToken = () => new Promise((resolve) => {
      give = resolve;
    });
    await pass(8000);
    link.stop();
    give('late');
    await pass(1);
    assertArrayEquals([], fake.takeAllSent());
  },

  async testNothingIsFetchedForALinkThatHasStopped() {
    await connect({token: () => fetchToken()});
    link.stop();
    await pass(1e9);
    assertEquals(1, asked);
  },
});
