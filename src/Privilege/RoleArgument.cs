// What an exec'd role is told by its argument: how far this service can separate its processes. Made by the start from the
// configuration and from what the machine allows, passed on unchanged by the spawners. It holds nothing secret: ps shows it
// for a moment, until the role writes its title over it.
using System;
using System.Globalization;
using System.Text;

namespace Aotftpd.Privilege;

/// <summary>The fixed argument of the exec'd roles.</summary>
/// <param name="ChangeIds">False where an ordinary user started the service: everything keeps his uid.</param>
/// <param name="Chroot">True where chroot(2) is possible on the workers' side.</param>
/// <param name="HostChroot">True where it is possible on the host's side too.</param>
/// <param name="ServiceUid">uid of listener and logger.</param>
/// <param name="ServiceGid">gid of listener and logger.</param>
/// <param name="HostCapabilities">What <c>spawner host</c> holds.</param>
/// <param name="WorkersCapabilities">What <c>spawner workers</c> holds.</param>
/// <param name="AuthCapabilities">What <c>auth</c> holds.</param>
/// <param name="ListenerCapabilities">What the listener keeps.</param>
/// <param name="AbsentCapabilities">What the configuration asked for and the start was not given.</param>
/// <param name="Filters">True where every process installs its seccomp filter (seccomp_sandbox, and the kernel has them).</param>
/// <param name="HostFilter">True where <c>spawner host</c> can have one as well: it needs SYS_ADMIN, or no_new_privs.</param>
/// <param name="Landlock">True where this machine gives it: no role may then be without.</param>
/// <param name="InheritedFilters">Seccomp filters that the start itself was under: whoever started it has given them to all.</param>
/// <param name="ProcGiven">True where <c>/proc</c> is covered on the workers' side, and <see cref="Namespaces.ProcDescriptor"/> stands for it.</param>
/// <param name="EmptyRoot">secure_chroot_dir, or the private empty directory in its place.</param>
internal sealed record RoleArgument(
    bool ChangeIds, bool Chroot, bool HostChroot, uint ServiceUid, uint ServiceGid, ulong HostCapabilities, ulong WorkersCapabilities, ulong AuthCapabilities,
    ulong ListenerCapabilities, ulong AbsentCapabilities, bool Filters, bool HostFilter, bool Landlock, int InheritedFilters,
    bool ProcGiven, byte[] EmptyRoot)
{
    private const int Numbers = 15;

    /// <summary>A service without any privilege or wall.</summary>
    internal static RoleArgument Nothing { get; } = new(false, false, false, 0, 0, 0, 0, 0, 0, 0, false, false, false, 0, false, []);

    /// <summary>Fifteen numbers and a path, separated by commas; the path comes last and may hold any byte but NUL.</summary>
    internal byte[] ToText()
    {
        string head = string.Create(
            CultureInfo.InvariantCulture,
            $"{(ChangeIds ? 1 : 0)},{(Chroot ? 1 : 0)},{(HostChroot ? 1 : 0)},{ServiceUid},{ServiceGid},{HostCapabilities},{WorkersCapabilities},{AuthCapabilities},{ListenerCapabilities},{AbsentCapabilities},{(Filters ? 1 : 0)},{(HostFilter ? 1 : 0)},{(Landlock ? 1 : 0)},{InheritedFilters},{(ProcGiven ? 1 : 0)},");
        byte[] text = new byte[head.Length + EmptyRoot.Length];
        Encoding.ASCII.GetBytes(head, text);
        EmptyRoot.CopyTo(text, head.Length);
        return text;
    }

    /// <summary>Reads what <see cref="ToText"/> wrote, as it arrives in Main; null if it is anything else.</summary>
    internal static RoleArgument? Parse(string text)
    {
        string[] parts = text.Split(',', Numbers + 1);
        ulong[] numbers = new ulong[Numbers];
        for (int i = 0; i < Numbers; i++)
        {
            if (parts.Length != Numbers + 1 || !ulong.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return null;
            }
        }
        return new(numbers[0] == 1, numbers[1] == 1, numbers[2] == 1, (uint)numbers[3], (uint)numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9],
            numbers[10] == 1, numbers[11] == 1, numbers[12] == 1, (int)numbers[13], numbers[14] == 1, Encoding.UTF8.GetBytes(parts[Numbers]));
    }

    /// <summary>The descriptor that stands for <c>/proc</c> in processes of this argument; −1: the path itself.</summary>
    internal int ProcDescriptor => ProcGiven ? Namespaces.ProcDescriptor : -1;

    /// <summary>The empty root with its NUL byte, or nothing where chroot is not possible on that side.</summary>
    internal byte[] EmptyRootNul(bool workersSide) => (workersSide ? Chroot : HostChroot) ? [.. EmptyRoot, 0] : [];
}
