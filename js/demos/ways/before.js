/**
 * @fileoverview What base.js must find when it begins: that it is to load what
 * is required, and not the library's own deps.js, for neither client nor page
 * uses the library.
 */

var CLOSURE_NO_DEPS = true;
var CLOSURE_UNCOMPILED_DEFINES = {'goog.ENABLE_DEBUG_LOADER': true};
