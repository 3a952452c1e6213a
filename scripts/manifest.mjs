// What only a published package.json can say. `npm pack` calls this around its work.
// - The platform packages are published first, so only what is published can name them: a lock file cannot hold packages that
//   no registry has yet.
// - Where the package was built is known where it is built: a build server names its repository in GITHUB_REPOSITORY.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { targets } from './platforms.mjs'
import { root } from './run.mjs'

const main = join(root, 'package.json')
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))
const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

/** With what the manifest does not say itself. */
const withMore = (manifest, more) => ({ ...manifest, ...more, ...manifest })

/** Without what was put in. */
function without({ optionalDependencies, ...manifest }, more) {
  const own = ([name, value]) => JSON.stringify(value) !== JSON.stringify(more[name])
  return Object.fromEntries(Object.entries(manifest).filter(own))
}

function origin(directory) {
  const { GITHUB_SERVER_URL: server = 'https://github.com', GITHUB_REPOSITORY: name } = process.env
  if (!name) return {}
  const repository = { type: 'git', url: `git+${server}/${name}.git`, ...(directory && { directory }) }
  return { repository, homepage: `${server}/${name}#readme`, bugs: `${server}/${name}/issues` }
}

switch (process.argv[2]) {
  case 'add': {
    const manifest = read(main)
    const packages = Object.keys(targets).map((platform) => [`${manifest.name}-${platform}`, manifest.version])
    write(main, withMore(manifest, { ...origin(), optionalDependencies: Object.fromEntries(packages) }))
    break
  }
  case 'remove':
    write(main, without(read(main), origin()))
    break
  case 'platform': {
    const folder = process.argv[3]
    const file = join(root, 'npm', folder, 'package.json')
    write(file, withMore(read(file), origin(`npm/${folder}`)))
    break
  }
  default:
    console.error('error: publish the tarball that `npm pack` makes, not the folder')
    process.exit(1)
}
