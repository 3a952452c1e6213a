import { everyTool } from './tools.ts'

everyTool('pnpm')
