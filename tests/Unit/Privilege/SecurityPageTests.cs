// The tables of aotftpd-security.7 are those of the program: roles, frames, capabilities, and how many calls a filter allows.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using Aotftpd.Audit;
using Aotftpd.Ipc;
using Aotftpd.Privilege;
using Aotftpd.Unit.Config;
using Xunit;

namespace Aotftpd.Unit.Privilege;

public sealed class SecurityPageTests
{
    private static string Page([CallerFilePath] string self = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(self)!, "..", "..", "..", "man", "aotftpd-security.7"));

    /// <summary>The rows of the table whose first head is <paramref name="head"/>, without ".It ".</summary>
    private static string[] Table(string head) => [.. File.ReadAllLines(Page())
        .SkipWhile(l => !l.StartsWith(".It Em " + head + " ", StringComparison.Ordinal)).Skip(1).TakeWhile(l => l != ".El").Select(l => l[4..])];

    private static string Titles(Role roles) => string.Join(", ", RoleTable.Rows.Where(r => (r.Role & roles) != 0).Select(r => r.Title));

    private static string Range(int low, int high) => low == high ? low.ToString() : low + " to " + high;

    [Fact]
    public void Processes()
    {
        static string Calls(Role role)
        {
            FilterRole filter = role switch
            {
                Role.Idle => FilterRole.Zygote,
                Role.ZygoteHost or Role.Auth => FilterRole.Host,
                _ => RoleTable.Of(role).Filter,
            };
            return SeccompTable.DefaultOf(filter) == SeccompTable.Allow ? "all but " + PrivilegeTable.Calls(filter, false)
                : PrivilegeTable.Calls(filter, true) + (role == Role.Session ? ", " + PrivilegeTable.Calls(FilterRole.SessionReading, true) + " reading, "
                    + PrivilegeTable.Calls(FilterRole.SessionLinking, true) + " linking" : "");
        }
        Assert.Equal(
            RoleTable.Rows.Select(r => string.Join(" Ta ", r.Title,
                r.User switch { RoleUser.Service => "service_user", RoleUser.Nopriv => "nopriv_user", RoleUser.Root => "root", _ => "the client" },
                r.Root switch { RoleRoot.Empty => "empty", RoleRoot.Client => "the client's", _ => "/" },
                r.WorkersSide ? "workers" : "host", r.Threads, Calls(r.Role), !r.Landlock ? "-" : r.Role == Role.Session ? "its root" : "nothing")),
            Table("process"));
    }

    [Fact]
    public void Frames()
    {
        IEnumerable<FrameRow> rows = Enumerable.Range(1, FrameTable.Count - 1).Select(i => FrameTable.Row((FrameKind)i));
        Assert.Equal(
            rows.Select(r => string.Join(" Ta ", r.Kind, Titles(r.From), Titles(r.To), Range(r.BytesMin, r.BytesMax), Range(r.DescriptorsMin, r.DescriptorsMax))),
            Table("frame"));
    }

    [Fact]
    public void Capabilities()
    {
        List<Need> needs = Needs.Of(Conf.Good("local_enable=YES\nsession_support=YES\nchown_uploads=YES\nconnect_from_port_20=YES\n"), root: true);
        ulong For(params Holder[] holders) => holders.Aggregate(0UL, (sum, h) => sum | needs.For(h));
        RoleArgument mode = new(true, true, true, 1, 1, For(Holder.Host, Holder.Auth, Holder.Chowner), For(Holder.Workers, Holder.WorkersMakers), For(Holder.Auth), For(Holder.Listener), 0,
            true, true, true, 0, false, []);
        List<string> expected = [];
        for (int i = 0; i < 64; i++)
        {
            ulong bit = 1UL << i;
            string options = string.Join(", ", needs.Where(n => (n.Capabilities & bit) != 0).Select(n => n.Option).Distinct());
            if (options.Length > 0)
            {
                string holders = string.Join(", ", RoleTable.Rows.Where(r => (RoleTable.Capabilities(r.Role, mode) & bit) != 0).Select(r => r.Title));
                expected.Add(CapabilityNames.Of(bit) + " Ta " + holders + " Ta " + options);
            }
        }
        Assert.Equal(expected, Table("capability"));
    }
}
