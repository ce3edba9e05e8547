/// <reference path="../node_modules/@awesome.me/webawesome/dist/custom-elements-jsx.d.ts" />
