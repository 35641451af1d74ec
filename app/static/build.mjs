// Compiles the style sheet and gathers scripts, images and fonts into build/.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const build = join(here, "build");
const modules = join(here, "node_modules");

rmSync(build, { recursive: true, force: true });
mkdirSync(join(build, "fonts"), { recursive: true });

const style = compile(join(here, "src", "app.scss"), {
  loadPaths: [modules],
  style: "compressed",
  quietDeps: true,
});
writeFileSync(join(build, "app.css"), style.css);

cpSync(join(here, "src", "app.js"), join(build, "app.js"));
cpSync(join(here, "src", "images"), join(build, "images"), { recursive: true });
// The receipt is set in these: they hold every Vietnamese letter, wherever the program runs.
for (const face of ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf"]) {
  cpSync(join(modules, "dejavu-fonts-ttf", "ttf", face), join(build, "fonts", face));
}
console.log(`built ${style.css.length} bytes of styles into ${build}`);
