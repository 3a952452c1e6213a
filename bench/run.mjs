// npm run bench: what the package costs, beside what people use instead. See README.md.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { comparison } from './lib/comparison.mjs'
import { installPeers, ourVersion, versionOf } from './lib/install.mjs'
import { describeMachine, isBusy } from './lib/machine.mjs'
import { picture } from './lib/picture.mjs'
import { rounds } from './lib/rounds.mjs'
import { palette, printSuite, progressOn } from './lib/terminal.mjs'
import { peers as everyone } from './peers/list.mjs'

const HELP = `Usage: npm run bench -- [options]

  --only <suite>      one suite; may be repeated
  --peers <a,b>       only these competitors
  --quick             fewer and shorter rounds, for a first look
  --full              let slow competitors make all their calls
  --sustained         also the sustained load, ten minutes
  --minutes <n>       its length
  --help

Suites: `
const here = (path) => new URL(path, import.meta.url)
const write = (text) => process.stdout.write(text)

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`)
  process.exitCode = 1
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      peers: { type: 'string' },
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      sustained: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '10' },
      help: { type: 'boolean', default: false },
    },
  })
  const suites = await loadSuites()
  if (options.help) {
    write(`${HELP}${suites.map(({ name }) => name).join(', ')}\nCompetitors: ${Object.keys(everyone).join(', ')}\n`)
    return 0
  }
  const chosen = choose(suites, options)
  const peers = chooseAmong(options.peers?.split(',') ?? Object.keys(everyone), Object.keys(everyone), 'competitor')
  const minutes = Number(options.minutes)
  if (!Number.isInteger(minutes) || minutes < 1) throw new Error('--minutes takes a whole number, 1 or more')
  if (peers.includes('ours') && !existsSync(here('../dist/index.mjs'))) {
    throw new Error('the package is not built\nhint: npm run build')
  }

  const progress = progressOn(process.stderr)
  const colours = palette(process.stdout)
  installPeers(progress.note)
  const report = {
    takenAt: new Date().toISOString(),
    options,
    machine: describeMachine(),
    versions: findVersions(),
    suites: [],
  }
  printMachine(report, colours)
  const refused = await checkRefusals(peers, progress)

  for (const { name, suite } of chosen) {
    const fit = suite.competitors.filter((peer) => peers.includes(peer))
    if (fit.length === 0) continue
    const tools = comparison({ name, progress, refused })
    const results = [await suite.run({ ...tools, ...options, minutes, peers: fit, progress })].flat()
    for (const result of results) printSuite(result, { write, colours })
    report.suites.push(...results)
  }
  save(report, options)
  return report.suites.some(({ skipped }) => skipped.some(({ peer }) => peer === 'ours')) ? 1 : 0
}

async function loadSuites() {
  const names = readdirSync(here('suites/'))
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -'.mjs'.length))
  const suites = await Promise.all(names.map(async (name) => ({ name, suite: await import(`./suites/${name}.mjs`) })))
  return suites.toSorted((a, b) => a.suite.order - b.suite.order)
}

function choose(suites, { only, sustained }) {
  if (!only) return suites.filter(({ suite }) => !suite.optional || sustained)
  const names = chooseAmong(
    only,
    suites.map(({ name }) => name),
    'suite',
  )
  return suites.filter(({ name }) => names.includes(name))
}

function chooseAmong(names, known, what) {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`there is no ${what} ${unknown}\nhint: one of ${known.join(', ')}`)
  return names
}

async function checkRefusals(peers, progress) {
  const { failed } = await rounds({ module: 'lib/refusals', peers, count: 1, params: () => ({}), progress })
  return failed
}

function findVersions() {
  const { devDependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'))
  const installed = Object.keys(devDependencies).map((name) => [name, versionOf(name)])
  return { '@private.me/autogen': ourVersion(), ...Object.fromEntries(installed) }
}

function printMachine({ machine, versions }, colours) {
  const { cpu, cores, memoryGiB, os, features, node, openssl } = machine
  write(`${colours.bold(cpu)}, ${cores} cores, ${memoryGiB} GiB, ${os}\n`)
  write(
    `CPU features: ${features.join(' ') || 'unknown'}${features.includes('avx512ifma') ? '' : ' (no avx512ifma)'}\n`,
  )
  write(`Node.js ${node}, OpenSSL ${openssl}\n`)
  write(
    `${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}\n`,
  )
  write(
    colours.dim(
      'Median over the rounds (lowest-highest). Ratio: how many times better this package is; below 1, worse.\n',
    ),
  )
  if (isBusy(machine)) {
    write(
      colours.yellow(
        `Other programs are using this machine (load ${machine.loadBefore}): trust the ratios more than the figures.\n`,
      ),
    )
  }
}

// A whole run replaces the recorded one; a partial run stands beside it.
function save(report, { only, peers, quick }) {
  const name = only || peers || quick ? 'partial' : 'latest'
  mkdirSync(here('results/'), { recursive: true })
  writeFileSync(here(`results/${name}.json`), `${JSON.stringify(report, null, 2)}\n`)
  write(`\nbench/results/${name}.json`)
  if (report.suites.some(({ id }) => id === 'call')) {
    const file = name === 'latest' ? 'calls' : name
    writeFileSync(here(`results/${file}.svg`), picture(report))
    write(`, bench/results/${file}.svg`)
  }
  write('\n')
}
