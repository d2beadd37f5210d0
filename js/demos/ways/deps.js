/**
 * @fileoverview Where the modules of the page are, for pages that load them with
 * base.js of the Closure Library. Made by js/build.mjs.
 */

goog.addDependency('../../demo/ways/hello.js', ['qmq.demo.hello'], ['qmq.Client'], {'lang': 'es8', 'module': 'goog'});
