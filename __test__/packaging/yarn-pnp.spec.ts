import { everyTool } from './tools.ts'

everyTool('yarn with PnP')
