// node scripts/release.mjs <platform>: the binary of one platform, as it is published, and the one that its tests want.
import { buildAddon, buildHooks } from './addon.mjs'
import { targets } from './platforms.mjs'
import { run } from './run.mjs'

const platform = process.argv[2]
const target = targets[platform]
if (target === undefined) {
  console.error(`error: no platform ${platform}; there are ${Object.keys(targets).join(', ')}`)
  process.exit(1)
}
run('rustup', ['target', 'add', target])
// zig links against the oldest C library that is supported, whatever the machine that builds has.
const cargo = platform.startsWith('linux') ? ['zigbuild'] : ['build']
const wanted = { platform, cargo, target: target.endsWith('-gnu') ? `${target}.2.17` : target }
await buildAddon(wanted)
await buildHooks(wanted)
