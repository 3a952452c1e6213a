// node scripts/release.mjs <platform>: the binary of one platform, as it is published.
import { buildAddon } from './addon.mjs'
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
if (target.endsWith('-gnu')) await buildAddon({ platform, cargo: ['zigbuild'], target: `${target}.2.17` })
else if (target.endsWith('-musl')) await buildAddon({ platform, cargo: ['zigbuild'], target })
else await buildAddon({ platform, target })
