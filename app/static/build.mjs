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
// The receipt is set in these, wherever the program runs: DejaVu holds every Vietnamese and French
// letter, Noto Sans SC the Chinese ones, rare names included (SIL Open Font License 1.1).
const han = ["@expo-google-fonts", "noto-sans-sc"];
for (const face of [
  ["dejavu-fonts-ttf", "ttf", "DejaVuSans.ttf"],
  ["dejavu-fonts-ttf", "ttf", "DejaVuSans-Bold.ttf"],
  ["dejavu-fonts-ttf", "ttf", "DejaVuSansMono.ttf"],
  [...han, "400Regular", "NotoSansSC_400Regular.ttf"],
  [...han, "700Bold", "NotoSansSC_700Bold.ttf"],
]) {
  cpSync(join(modules, ...face), join(build, "fonts", face.at(-1)));
}
cpSync(join(modules, ...han, "LICENSE_FONT"), join(build, "fonts", "OFL-NotoSansSC.txt"));
console.log(`built ${style.css.length} bytes of styles into ${build}`);
