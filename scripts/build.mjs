// node scripts/build.mjs [addon] [dist] [types] [hooks]: the first three without arguments. `hooks` is the addon that tests
// want. With --check nothing is written: the types must be what is committed.
import { buildAddon, buildHooks } from './addon.mjs'
import { buildDist } from './dist.mjs'
import { checkToolchain } from './toolchain.mjs'
import { buildTypes, checkTypes } from './types.mjs'

const usual = { addon: buildAddon, dist: buildDist, types: buildTypes }
const steps = { ...usual, hooks: buildHooks, '--check': checkTypes }
const asked = process.argv.slice(2)
const names = asked.length === 0 ? Object.keys(usual) : asked
const unknown = names.find((name) => !Object.hasOwn(steps, name))
if (unknown !== undefined) {
  console.error(`error: nothing is called ${unknown}; there are ${Object.keys(steps).join(', ')}`)
  process.exit(1)
}
if (names.some((name) => name !== 'dist')) checkToolchain()
for (const name of names) await steps[name]()
