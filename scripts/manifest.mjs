// The platform packages depend on nothing and are published first, so package.json can name them only in what is
// published: a lock file cannot hold packages that no registry has yet. `npm pack` calls this around its work.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { targets } from './platforms.mjs'
import { root } from './run.mjs'

const file = join(root, 'package.json')
const { optionalDependencies, ...manifest } = JSON.parse(readFileSync(file, 'utf8'))
const write = (value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

switch (process.argv[2]) {
  case 'add': {
    const packages = Object.keys(targets).map((platform) => [`${manifest.name}-${platform}`, manifest.version])
    write({ ...manifest, optionalDependencies: Object.fromEntries(packages) })
    break
  }
  case 'remove':
    write(manifest)
    break
  default:
    console.error('error: publish the tarball that `npm pack` makes, not the folder')
    process.exit(1)
}
