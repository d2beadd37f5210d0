/** @fileoverview Tests of qmq.login. */

goog.module('qmq.loginTest');
goog.setTestOnly();

const login = goog.require('qmq.login');
const testSuite = goog.require('goog.testing.testSuite');

async function pairs(options) {
  return Array.from(await login.headers(options));
}

testSuite({
  async testNobody() {
    assertArrayEquals([], await pairs({}));
  },

  async testLoginAndPasscode() {
    assertArrayEquals([['login', 'me'], ['passcode', '']],
        await pairs({login: 'me', passcode: ''}));
  },

  async testATokenGoesAsThePasscode() {
    const expected = [['login', 'token'], ['passcode', 'abc']];
    assertArrayEquals(expected, await pairs({token: () => 'abc', login: 'me'}));
    assertArrayEquals(expected, await pairs({token: () => Promise.resolve('abc')}));
  },

  async testWhatTheTokenThrowsIsTold() {
    const wrong = new Error('no');
    assertEquals(wrong, await assertRejects(login.headers({token: () => {
      throw wrong;
    }})));
    assertEquals(wrong,
        await assertRejects(login.headers({token: () => Promise.reject(wrong)})));
  },
});
