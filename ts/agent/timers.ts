import * as timers from 'node:timers'

// Node's own, taken when the module loads: fake timers of a test framework must not stop the bus, and a global scope that
// plays a browser's has others, or none.
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = timers
