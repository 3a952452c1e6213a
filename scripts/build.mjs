// node scripts/build.mjs [addon] [dist] [types]: everything without arguments.
import { buildAddon } from './addon.mjs'
import { buildDist, buildTypes } from './dist.mjs'
import { checkToolchain } from './toolchain.mjs'

const steps = { addon: buildAddon, dist: buildDist, types: buildTypes }
const asked = process.argv.slice(2)
if (asked.length === 0 || asked.includes('addon')) checkToolchain()
for (const name of asked.length === 0 ? Object.keys(steps) : asked) await steps[name]()
