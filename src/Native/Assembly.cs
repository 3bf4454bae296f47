// Assembly-wide rules for foreign calls. Blittable signatures only: no marshalling stub may appear between
// us and the kernel. Libraries are looked for in the system's directories alone, never beside the executable.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
