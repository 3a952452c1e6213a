import { checkToolchain } from './toolchain.mjs'

checkToolchain()
const { install } = await import('./install.mjs')
install()
const { buildAddon } = await import('./addon.mjs')
await buildAddon()
const { buildDist } = await import('./dist.mjs')
await buildDist()
const { run } = await import('./run.mjs')
console.error()
run(process.execPath, ['examples/quickstart/index.mjs'])
