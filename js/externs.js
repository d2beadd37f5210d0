/**
 * @fileoverview The one name that the compiled client finds around it.
 * @externs
 */

/** @const {!Object<string, *>} */
var qmqExports;
