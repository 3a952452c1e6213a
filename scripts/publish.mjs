// node scripts/publish.mjs pack <folder>: packs all packages; every binary must be in its place.
// node scripts/publish.mjs publish <folder> [npm options]: publishes what was packed, binaries first. It may be repeated:
// what the registry has already is left alone, so half a publish is finished by running it again.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { targets } from './platforms.mjs'
import { root } from './run.mjs'

const [task, folder, ...options] = process.argv.slice(2)
const tasks = { pack, publish }
if (!Object.hasOwn(tasks, task ?? '') || folder === undefined) {
  stop('usage: node scripts/publish.mjs pack|publish <folder> [npm options]')
}
await tasks[task](resolve(folder))

function pack(to) {
  mkdirSync(to, { recursive: true })
  if (readdirSync(to).length > 0) stop(`${to} is not empty`)
  const platforms = Object.keys(targets)
  const missing = platforms.filter((platform) => !existsSync(join(root, 'npm', platform, `xbind.${platform}.node`)))
  if (missing.length > 0) stop(`there is no binary for ${missing.join(', ')}; nothing was packed`)
  for (const platform of platforms) {
    const file = join(root, 'npm', platform, 'package.json')
    const committed = readFileSync(file)
    execFileSync(process.execPath, [join(root, 'scripts/manifest.mjs'), 'platform', platform])
    npm(['pack', '--pack-destination', to], join(root, 'npm', platform))
    writeFileSync(file, committed)
  }
  npm(['pack', '--pack-destination', to], root)
}

async function publish(from) {
  const files = readdirSync(from).filter((file) => file.endsWith('.tgz'))
  const packages = files.map((file) => ({ file, manifest: manifestOf(join(from, file)) }))
  const asksFor = ({ manifest }) => Object.keys(manifest.optionalDependencies ?? {})
  // A package that asks for others is published when all of them are there: nobody installs it without its binary.
  const wanted = packages.flatMap(asksFor)
  const missing = wanted.filter((name) => !packages.some(({ manifest }) => manifest.name === name))
  if (packages.length === 0 || missing.length > 0) stop(`${from} lacks ${missing.join(', ') || 'every package'}`)
  const inOrder = packages.toSorted((a, b) => asksFor(a).length - asksFor(b).length)
  for (const { file, manifest } of inOrder) {
    const { name, version } = manifest
    if (isPublished(name, version)) {
      console.log(`${name} ${version} is published already`)
      continue
    }
    const tag = version.includes('-') ? ['--tag', 'next'] : []
    if (npm(['publish', join(from, file), '--access', 'public', ...tag, ...options], from, false) !== 0) {
      // An answer may be lost on the way; what counts is what the registry has.
      await setTimeout(2000)
      if (!isPublished(name, version)) stop(`${name} ${version} is not published; run this again to go on from here`)
    }
    console.log(`${name} ${version} is published`)
  }
}

function isPublished(name, version) {
  const args = ['view', `${name}@${version}`, 'version', '--json', '--prefer-online', ...options]
  const { status, stdout } = spawn(args, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  if (status === 0) return stdout.trim() !== ''
  if (!/"code": *"E404"/.test(stdout)) {
    stop(`the registry does not say whether it has ${name} ${version}: ${stdout.trim()}`)
  }
  return false
}

function manifestOf(tarball) {
  return JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }))
}

function npm(args, cwd, must = true) {
  const { status } = spawn(args, { cwd, stdio: 'inherit' })
  if (must && status !== 0) stop(`npm ${args[0]} failed in ${cwd}`)
  return status
}

function spawn(args, more) {
  return spawnSync('npm', args, { shell: process.platform === 'win32', ...more })
}

function stop(reason) {
  console.error(`error: ${reason}`)
  process.exit(1)
}
